/** Filters of outputs on a real cluster. */

import { aFilter, describeFilters, publishedOf } from '../infra/pods/filters.suite.ts';
import { useClusterPods, type ClusterPod } from './clusterPods.ts';
import { mainProcessOf } from '../support/containerProcesses.ts';
import { waitFor } from './clusterScene.ts';

const { pods, aPod } = useClusterPods();

const sleeping = "console.log('up'); setInterval(() => 0, 1000);";

describe('filters', () => {
  describeFilters(aPod, () => pods().algorithmImage);

  test('have no network that leads anywhere, as the whole pod has none', async () => {
    const { nodeAddress } = pods().cluster;
    const reach = `const socket = require('net').connect({ host: '${nodeAddress}', port: ${pods().canaryPort} });
      socket.setTimeout(700, () => { console.log('silent'); process.exit(0); }).on('connect', () => process.exit(9)).on('error', (err) => { console.log(err.code); process.exit(0); });`;
    const pod = await aPod({
      command: "require('fs').writeFileSync('/data/outputs/a', 'a')",
      spec: { filters: [aFilter(pods().algorithmImage, reach)] },
    });
    await pod.create();
    await pod.gateway.untilReport('publishOutputs', 40_000);
    expect(publishedOf(pod).filters?.map(({ exitCode, log }) => [exitCode, Buffer.from(log, 'base64').toString()])).toEqual([
      [0, 'silent\n'],
    ]);
  });

  test('whose image is nowhere are told before the algorithm is let go', async () => {
    const pod = await aPod({ command: "console.log('never')", spec: { filters: [aFilter('localhost/nothing:1', '')] } });
    await pod.create();
    const outcome = await waitFor(async () => {
      const seen = await pod.runtime.observe(pod.pod);
      return seen.kind === 'alive' ? undefined : seen;
    });
    expect(outcome).toEqual({
      kind: 'failed',
      type: 'FilterFailed',
      message: 'the image of the filter of environment test is not on this node, and none is pulled',
    });
    expect(await pod.gateway.untilReport('stageInputs')).toMatchObject({ outcome: 'failed', type: 'PodChanged', retryable: true });
    expect(pod.gateway.log).toBe('');
  });

  test('do not hold up the end of a pod that is not needed, however long its grace is', async () => {
    const pod = await aPod({
      command: `process.on('SIGTERM', () => process.exit(0)); ${sleeping}`,
      spec: { publishSeconds: 600, filters: [aFilter(pods().algorithmImage, '')] },
    });
    await pod.create();
    await pod.gateway.until(() => pod.gateway.log.includes('up'), 'the first line');
    pod.gateway.attempt = 0;
    await pod.runtime.stop(pod.pod, 5);
    await pod.gateway.untilReport('runAlgorithm');
    pod.gateway.over = true;
    const toldAtMs = Date.now();
    await pod.runtime.remove(pod.pod);
    expect(Date.now() - toldAtMs).toBeLessThan(15_000);
  });

  test('end with their agent when that is killed while one of them works', async () => {
    const pod = await aPod({
      command: "require('fs').writeFileSync('/data/outputs/a', 'a')",
      spec: {
        publishSeconds: 600,
        filters: [aFilter(pods().algorithmImage, 'setInterval(() => 0, 1000)'), aFilter(pods().algorithmImage, '')],
      },
    });
    await pod.create();
    await pod.gateway.until(() => pod.gateway.events.some(({ progress }) => progress?.filtering === true), 'the filter');
    // the agent's process is told nothing: it is the first of its container and the kernel ends it
    await killAgent(pod);
    await waitFor(
      async () =>
        ((await pod.inspect()).status?.containerStatuses ?? []).every(({ state }) => state?.terminated !== undefined) || undefined,
    );
    expect(await pod.runtime.observe(pod.pod)).toMatchObject({ kind: 'lost' });
    expect(pod.gateway.report('publishOutputs')).toBeUndefined();
  });
});

/** A kubelet tells a container's id a moment after its start. */
const killAgent = async (pod: ClusterPod): Promise<void> => {
  const id = await waitFor(async () => {
    const { status } = await pod.inspect();
    return status?.containerStatuses?.find(({ name }) => name === 'agent')?.containerID;
  });
  process.kill(mainProcessOf(id), 'SIGKILL');
};
