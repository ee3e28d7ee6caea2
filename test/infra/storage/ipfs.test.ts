import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { CID } from 'kubo-rpc-client';
import { ipfsFailure } from '../../../infra/storage/ipfsFailure.ts';
import { ipfsStore } from '../../../infra/storage/ipfs.ts';
import type { IpfsStoreOptions } from '../../../infra/storage/ipfsNodes.ts';
import { createTurns } from '../../../infra/storage/inTurn.ts';
import { entryNames } from '../../../infra/storage/ipfsSeal.ts';
import type { SealedFile } from '../../../infra/storage/resultStore.ts';
import { createLimit } from '../../../workers/agent/patience.ts';
import { eventually } from '../../support/heldJobs.ts';
import { openIpfsNode, type IpfsTestNode } from '../../support/ipfs.ts';
import { aJobId, describeResultStore, someBytes, storeBytes } from './resultStore.suite.ts';

const patienceMs = 120_000;

let one: IpfsTestNode;
let two: IpfsTestNode;

beforeAll(async () => {
  [one, two] = await Promise.all([openIpfsNode(), openIpfsNode()]);
}, patienceMs);

afterAll(async () => {
  await Promise.all([one?.close(), two?.close()]);
}, patienceMs);

/** Between all stores of this file, as the ledger's locks are between processes. */
const exclusively = createTurns();

const makeStore = (options: Partial<IpfsStoreOptions> = {}) =>
  ipfsStore(
    { nodes: [{ url: one.apiUrl }], copies: 1, folder: '/durable-c2d', collectGarbage: false, idleSeconds: 60, ...options },
    exclusively,
  );
const bothNodes = () => [{ url: one.apiUrl }, { url: two.apiUrl }];

/** Its content only matters where nodes do not agree about it. */
const aFile = (n: number, filename: string, content = ''): SealedFile => ({ n, filename, sha256: sha256Of(content) });
const sha256Of = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

const isPinned = async ({ client }: IpfsTestNode, cid: string): Promise<boolean> => {
  try {
    for await (const _ of client.pin.ls({ paths: CID.parse(cid) })) return true;
    return false;
  } catch {
    return false;
  }
};

const collect = async ({ client }: IpfsTestNode): Promise<void> => {
  for await (const _ of client.repo.gc());
};

describeResultStore('ipfsStore', async () => makeStore());

describe('ipfsStore', () => {
  const attempt = () => ({ jobId: aJobId(), podAttempt: 1 });
  const threeFiles = [aFile(0, 'a.txt'), aFile(1, 'sub%2Fb.txt'), aFile(2, 'algorithm.log')];
  const storeThree = async (store: ReturnType<typeof makeStore>, of: ReturnType<typeof attempt>) => {
    for (const { n } of threeFiles) await storeBytes(store, { ...of, n }, { bytes: Buffer.from(`content ${n} of ${of.jobId}`) });
  };

  test('a sealed job is one directory under a CID, by the names that consumers see', async () => {
    const [store, job] = [makeStore(), attempt()];
    await storeThree(store, job);
    const { directory, files } = await store.seal(job, threeFiles);
    expect([directory, ...files.values()].map((cid) => CID.parse(cid).version)).toEqual([1, 1, 1, 1]);
    expect(await one.fetchContent(`${directory}/a.txt`)).toBe(`content 0 of ${job.jobId}`);
    expect(await one.fetchContent(`${directory}/${encodeURIComponent('sub%2Fb.txt')}`)).toBe(`content 1 of ${job.jobId}`);
    expect(await one.fetchContent(files.get(2)!)).toBe(`content 2 of ${job.jobId}`);
  });

  test('a CID is the one that `ipfs add --cid-version=1` gives the same bytes, however they were uploaded', async () => {
    const [store, job] = [makeStore(), attempt()];
    const bytes = someBytes(1_500_000);
    await storeBytes(store, { ...job, n: 0 }, { bytes, partBytes: 400_000, order: [2, 0, 3, 1, 0] });
    const { files } = await store.seal(job, [aFile(0, 'big')]);
    const added = await one.client.add(bytes, { cidVersion: 1, rawLeaves: true, onlyHash: true });
    expect(files.get(0)).toBe(added.cid.toString());
  });

  test('a whole file in one piece is there at once, also repeated and with other bytes, and never with bytes of another digest', async () => {
    const [store, job] = [makeStore(), attempt()];
    const file = { ...job, n: 0 };
    const put = (bytes: Buffer, sha256 = sha256Of(bytes)) =>
      store.putWhole(file, { sizeBytes: bytes.length, sha256 }, Readable.from([bytes]));
    const stored = async () => (await buffer(await store.read(file))).toString();
    await expect(put(Buffer.from('changed on its way'), 'a'.repeat(64))).rejects.toMatchObject({ type: 'StorageUnavailable' });
    await expect(store.read(file)).rejects.toMatchObject({ type: 'StorageRefused' });
    for (const text of ['first', 'first', 'second', '']) {
      await put(Buffer.from(text));
      expect(await stored()).toBe(text);
    }
    expect((await store.seal(job, [aFile(0, 'out')])).files.size).toBe(1);
  });

  test.each([
    ['that repeats itself', Buffer.alloc(50 * 1024 ** 2, 'again and again')],
    ['as large as a leaf', someBytes(256 * 1024)],
    ['of a leaf and a byte', someBytes(256 * 1024 + 1)],
  ])('a file %s is known again by its leaves', async (_what, bytes) => {
    const [store, file] = [makeStore(), { ...attempt(), n: 0 }];
    await store.putWhole(file, { sizeBytes: bytes.length, sha256: sha256Of(bytes) }, Readable.from(bytes));
    expect(sha256Of(await buffer(await store.read(file)))).toBe(sha256Of(bytes));
    await store.remove(file);
  });

  test(
    'ten thousand files are one directory, although a node that has opened such a folder needs a minute for each change or look',
    async () => {
      const [store, job] = [makeStore(), attempt()];
      const bytes = Buffer.from('what each of them has');
      const files = Array.from({ length: 10_000 }, (_, n) => aFile(n, `part-${n}.csv`, bytes.toString()));
      const inTurn = createLimit(32);
      const put = ({ n, sha256 }: SealedFile) => store.putWhole({ ...job, n }, { sizeBytes: bytes.length, sha256 }, Readable.from([bytes]));
      await Promise.all(files.map((file) => inTurn(() => put(file))));
      const sealed = await store.seal(job, files);
      expect(sealed.files.size).toBe(files.length);
      expect(await one.fetchContent(`${sealed.directory}/part-9999.csv`)).toBe(bytes.toString());
      expect(await store.seal(job, files)).toEqual(sealed);
      expect(await buffer(await store.read({ ...job, n: 5_000 }))).toEqual(bytes);
      await store.remove(job);
    },
    patienceMs * 2,
  );

  test('sealing again, also at once, gives the same CIDs', async () => {
    const [store, job] = [makeStore(), attempt()];
    await storeThree(store, job);
    const [first, second] = await Promise.all([store.seal(job, threeFiles), store.seal(job, threeFiles)]);
    expect(second).toEqual(first);
    expect(await makeStore().seal(job, threeFiles)).toEqual(first);
  });

  test('a job that is sealed anew with other files leaves no pin of before, on no node', async () => {
    const [store, job] = [makeStore({ nodes: bothNodes(), copies: 2 }), attempt()];
    await storeThree(store, job);
    const roots: string[] = [];
    for (const files of [threeFiles, threeFiles.slice(1)]) {
      await store.seal(job, files);
      roots.push((await one.client.files.stat(`/durable-c2d/${job.jobId}/1/sealed`)).cid.toString());
    }
    expect(roots[0]).not.toBe(roots[1]);
    for (const server of [one, two]) expect(await Promise.all(roots.map((root) => isPinned(server, root)))).toEqual([false, true]);
  });

  test('what was sealed survives a collection of garbage, and is gone after its removal and the next one', async () => {
    const [store, job] = [makeStore(), attempt()];
    await storeThree(store, job);
    const { directory, files } = await store.seal(job, threeFiles);
    await collect(one);
    expect(await one.fetchContent(`${directory}/a.txt`)).toBe(`content 0 of ${job.jobId}`);
    expect(await isPinned(one, directory)).toBe(true);
    await store.remove({ jobId: job.jobId });
    expect(await isPinned(one, directory)).toBe(false);
    await collect(one);
    await expect(one.fetchContent(files.get(0)!)).rejects.toThrow();
  });

  test('removing a job leaves another one whose results are the same', async () => {
    const [store, gone, kept] = [makeStore(), attempt(), attempt()];
    const sealed = [];
    for (const job of [gone, kept]) {
      await storeBytes(store, { ...job, n: 0 }, { bytes: Buffer.from('the same in both') });
      sealed.push(await store.seal(job, [aFile(0, 'out')]));
    }
    expect(sealed[0]!.directory).toBe(sealed[1]!.directory);
    await store.remove({ jobId: gone.jobId });
    await collect(one);
    expect(await isPinned(one, sealed[1]!.directory)).toBe(true);
    expect(await one.fetchContent(`${sealed[1]!.directory}/out`)).toBe('the same in both');
    expect((await buffer(await store.read({ ...kept, n: 0 }))).toString()).toBe('the same in both');
  });

  test('a store with `collectGarbage` has nodes drop what a removed job left', async () => {
    const [store, job] = [makeStore({ collectGarbage: true }), attempt()];
    await storeThree(store, job);
    const { files } = await store.seal(job, threeFiles);
    await store.remove({ jobId: job.jobId });
    await collect(one);
    await expect(one.fetchContent(files.get(1)!)).rejects.toThrow();
  });

  test('files that arrive while garbage is being collected are there afterwards', async () => {
    const [store, other] = [makeStore({ collectGarbage: true }), makeStore()];
    const jobs = Array.from({ length: 4 }, attempt);
    for (const job of jobs) {
      const removed = attempt();
      await storeThree(store, removed);
      await store.remove(removed);
      await storeThree(other, job);
    }
    await collect(one);
    for (const job of jobs)
      for (const { n } of threeFiles)
        expect((await buffer(await other.read({ ...job, n }))).toString()).toBe(`content ${n} of ${job.jobId}`);
  });

  test('a node gives no name to a block that a collection has dropped, so that who gave one need not look again', async () => {
    const { cid } = await one.client.add(someBytes(1_000), { cidVersion: 1, rawLeaves: true, pin: false });
    const { cid: other } = await one.client.add(someBytes(1_001), { cidVersion: 1, rawLeaves: true, pin: false });
    await one.client.files.cp(`/ipfs/${other.toString()}`, `/${aJobId()}`);
    await collect(one);
    await expect(one.client.files.cp(`/ipfs/${cid.toString()}`, `/${aJobId()}`)).rejects.toThrow();
    await expect(one.client.files.cp(`/ipfs/${other.toString()}`, `/${aJobId()}`)).resolves.toBeUndefined();
  });

  test('a node that is killed right after a collection starts again and has what it had', async () => {
    const [store, kept, gone] = [makeStore({ collectGarbage: true }), attempt(), attempt()];
    await storeThree(store, kept);
    await storeThree(store, gone);
    const { files } = await store.seal(gone, threeFiles);
    await store.remove({ jobId: gone.jobId });
    await eventually('the garbage is gone', () =>
      one.fetchContent(files.get(0)!).then(
        () => undefined,
        () => true,
      ),
    );
    one.kill('SIGKILL');
    await one.waitForEnd();
    await one.restart();
    for (const { n } of threeFiles)
      expect((await buffer(await makeStore().read({ ...kept, n }))).toString()).toBe(`content ${n} of ${kept.jobId}`);
  });

  test('every node gets a pinned copy, without knowing the others', async () => {
    const [store, job] = [makeStore({ nodes: bothNodes(), copies: 2 }), attempt()];
    await storeThree(store, job);
    const { directory } = await store.seal(job, threeFiles);
    await collect(two);
    expect(await isPinned(two, directory)).toBe(true);
    expect(await two.fetchContent(`${directory}/a.txt`)).toBe(`content 0 of ${job.jobId}`);
    const onTwo = makeStore({ nodes: [{ url: two.apiUrl }] });
    expect((await buffer(await onTwo.read({ ...job, n: 1 }, { start: 0, end: 8 }))).toString()).toBe('content 1');
    await store.remove({ jobId: job.jobId });
    expect(await isPinned(two, directory)).toBe(false);
    await expect(onTwo.read({ ...job, n: 1 })).rejects.toMatchObject({ type: 'StorageRefused' });
  });

  test('a node that goes away in the middle costs no result: the next one takes over, with what it can copy', async () => {
    const [store, job] = [makeStore({ nodes: bothNodes(), copies: 1 }), attempt()];
    await storeBytes(store, { ...job, n: 0 }, { bytes: Buffer.from('on the first node') });
    one.kill('SIGKILL');
    await one.waitForEnd();
    const cut = storeBytes(store, { ...job, n: 1 }, { bytes: Buffer.from('on the second node') });
    await expect(cut).rejects.toMatchObject({ type: 'StorageUnavailable' });
    await storeBytes(store, { ...job, n: 1 }, { bytes: Buffer.from('on the second node') });
    const names = ['on the first node', 'on the second node'].map((content, n) => aFile(n, `file ${n}`, content));
    await expect(store.seal(job, names)).rejects.toMatchObject({ type: 'StorageUnavailable' });
    await one.restart();
    const { directory } = await store.seal(job, names);
    for (const server of [one, two]) expect(await server.fetchContent(`${directory}/file 1`)).toBe('on the second node');
    expect((await buffer(await store.read({ ...job, n: 0 }))).toString()).toBe('on the first node');
  });

  test('of two versions on two nodes, as a try whose answer was lost leaves them, the one that was published is sealed', async () => {
    for (const right of [one, two]) {
      const job = attempt();
      for (const server of [one, two]) {
        const content = server === right ? 'published' : 'of a try before';
        await storeBytes(makeStore({ nodes: [{ url: server.apiUrl }] }), { ...job, n: 0 }, { bytes: Buffer.from(content) });
      }
      const store = makeStore({ nodes: bothNodes(), copies: 2 });
      const { directory } = await store.seal(job, [aFile(0, 'out', 'published')]);
      for (const server of [one, two]) expect(await server.fetchContent(`${directory}/out`)).toBe('published');
      for (const { apiUrl } of [one, two]) {
        const alone = makeStore({ nodes: [{ url: apiUrl }] });
        expect((await buffer(await alone.read({ ...job, n: 0 }))).toString()).toBe('published');
      }
    }
  });

  test('fewer copies than asked for are none', async () => {
    const nobody = 'http://127.0.0.1:9';
    const [store, job] = [makeStore({ nodes: [{ url: one.apiUrl }, { url: nobody }], copies: 2 }), attempt()];
    await storeThree(store, job);
    await expect(store.seal(job, threeFiles)).rejects.toMatchObject({ type: 'StorageUnavailable', retryAfterSeconds: expect.any(Number) });
    await expect(store.check()).rejects.toMatchObject({ type: 'StorageUnavailable' });
    const err = await makeStore({ nodes: [{ url: nobody }] })
      .check()
      .catch((reason: unknown) => reason);
    expect((err as Error).message).not.toContain('127.0.0.1');
  });

  test('an address that is no RPC API is refused', async () => {
    const store = makeStore({ nodes: [{ url: one.gatewayUrl }] });
    await expect(store.check()).rejects.toMatchObject({ type: 'StorageRefused' });
  });
});

describe('entryNames', () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ['names as they are', ['a', 'b'], ['a', 'b']],
    ['the second of two', ['algorithm.log', 'algorithm.log'], ['algorithm.log', '1-algorithm.log']],
    ['a name that is too long keeps its end', [`${'x'.repeat(300)}.csv`], [`0-${'x'.repeat(196)}.csv`]],
    ['no name that leads elsewhere', ['..', '.'], ['0-..', '1-.']],
  ])('%s', (_, names, expected) => {
    expect(entryNames(names.map((filename, n) => ({ n, filename }))).map(({ filename }) => filename)).toEqual(expected);
  });
});

describe('ipfsFailure', () => {
  const answered = (status: number, message: string) => Object.assign(new Error(message), { response: { status } });
  test.each<[string, unknown, string]>([
    ['no answer', new TypeError('fetch failed'), 'StorageUnavailable'],
    ['wrong credentials', answered(401, '401'), 'StorageRefused'],
    ['no permission', answered(403, '403 - Forbidden'), 'StorageRefused'],
    ['no RPC API', answered(404, '404 page not found'), 'StorageRefused'],
    ['what was there a moment ago', answered(500, 'file does not exist'), 'StorageUnavailable'],
    ['a full disk', answered(500, 'write /data: no space left on device'), 'StorageUnavailable'],
    ['anything else', answered(500, 'secret /path'), 'StorageUnavailable'],
  ])('%s', (_, err, type) => {
    const failure = ipfsFailure(err);
    expect(failure.type).toBe(type);
    expect(failure.message).not.toMatch(/secret|\/data/);
  });
});
