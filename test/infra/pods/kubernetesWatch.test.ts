import type { V1Pod } from '@kubernetes/client-node';
import type { ClusterClient, PodEvent, WatchRequest } from '../../../infra/pods/clusterClient.ts';
import { watchKubernetesPods } from '../../../infra/pods/kubernetesWatch.ts';
import type { PodWatch } from '../../../workflows/contract/pod.ts';

const jobOf = (letter: string): string => letter.repeat(32);
const aPod = (letter: string, resourceVersion = '1'): V1Pod => ({
  metadata: { name: `c2d-${jobOf(letter)}-1`, resourceVersion, labels: { 'c2d.job-id': jobOf(letter), 'c2d.pod-attempt': '1' } },
});

interface OpenWatch {
  readonly request: WatchRequest;
  readonly send: (event: PodEvent) => void;
  readonly end: (err?: Error) => void;
}

/** A cluster whose answers to lists are given ahead, and whose watches the test holds in its hand. */
class HeldCluster implements Pick<ClusterClient, 'list' | 'watch'> {
  readonly lists: (readonly V1Pod[] | Error)[];
  listed = 0;
  #watches: OpenWatch[] = [];
  #waiting: ((watch: OpenWatch) => void)[] = [];

  constructor(...lists: (readonly V1Pod[] | Error)[]) {
    this.lists = lists;
  }

  async list(): ReturnType<ClusterClient['list']> {
    const pods = this.lists[Math.min(this.listed, this.lists.length - 1)]!;
    this.listed += 1;
    if (pods instanceof Error) throw pods;
    return { pods, resourceVersion: String(this.listed * 100) };
  }

  async watch(request: WatchRequest, send: (event: PodEvent) => void): Promise<void> {
    const ended = Promise.withResolvers<void>();
    request.signal.addEventListener('abort', () => ended.resolve(), { once: true });
    const open: OpenWatch = { request, send, end: (err) => (err === undefined ? ended.resolve() : ended.reject(err)) };
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#watches.push(open);
    else waiting(open);
    await ended.promise;
  }

  async next(): Promise<OpenWatch> {
    return this.#watches.shift() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }
}

let watch: PodWatch | undefined;
const start = (cluster: HeldCluster): string[] => {
  const told: string[] = [];
  watch = watchKubernetesPods({
    cluster,
    labelSelector: 'x',
    firstPauseMs: 1,
    onChange: ({ jobId }, { kind }) => told.push(`${jobId.slice(0, 1)} ${kind}`),
  });
  return told;
};

afterEach(() => watch?.close());

describe('watchKubernetesPods', () => {
  test('tells what is there, then what changes', async () => {
    const cluster = new HeldCluster([aPod('a')]);
    const told = start(cluster);
    const { request, send } = await cluster.next();
    expect(request).toMatchObject({ labelSelector: 'x', resourceVersion: '100' });
    send({ type: 'ADDED', object: aPod('b') });
    send({ type: 'DELETED', object: aPod('a') });
    send({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '150' } } });
    expect(told).toEqual(['a alive', 'b alive', 'a alive', 'a lost']);
  });

  test('a connection that ends is gone on with where it ended, without a new list', async () => {
    const cluster = new HeldCluster([]);
    start(cluster);
    const first = await cluster.next();
    first.send({ type: 'ADDED', object: aPod('a', '120') });
    first.send({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '150' } } });
    first.end();
    expect((await cluster.next()).request.resourceVersion).toBe('150');
    expect(cluster.listed).toBe(1);
  });

  test('a place that the server has forgotten is listed again, and what has vanished meanwhile is lost', async () => {
    const cluster = new HeldCluster([aPod('a'), aPod('b')], [aPod('b')]);
    const told = start(cluster);
    const first = await cluster.next();
    first.send({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } });
    first.end();
    expect((await cluster.next()).request.resourceVersion).toBe('200');
    expect(told).toEqual(['a alive', 'b alive', 'b alive', 'a lost']);
  });

  test.each([
    ['a list', new HeldCluster(new Error('away'), new Error('away'), [aPod('a')]), undefined],
    ['a watch', new HeldCluster([], [aPod('a')]), new Error('410')],
  ])('outlives a failed %s', async (_what, cluster, failure) => {
    const told = start(cluster);
    if (failure !== undefined) (await cluster.next()).end(failure);
    await cluster.next();
    expect(told).toEqual(['a alive']);
  });

  test('strangers among the pods are passed over', async () => {
    const cluster = new HeldCluster([{ metadata: { name: 'x', labels: {} } }, {}]);
    const told = start(cluster);
    await cluster.next();
    expect(told).toEqual([]);
  });

  test('ends when it is closed, also while it waits for a cluster that is away', async () => {
    start(new HeldCluster(new Error('away')));
    await watch?.close();
    const cluster = new HeldCluster([]);
    start(cluster);
    await cluster.next();
    await watch?.close();
  });
});
