/** Filters of outputs on a container engine. */

import { setTimeout as delay } from 'node:timers/promises';
import { ensureNodeAlgorithmImage } from '../../../infra/toolchain/algorithmImage.ts';
import { aFilter, describeFilters, publishedOf } from './filters.suite.ts';
import { useEnginePods } from './podHarness.ts';

const { harness, aPod } = useEnginePods();

describe('filters', () => {
  describeFilters(aPod, () => harness().algorithmImage);

  test('have no network and the walls of an algorithm', async () => {
    const pod = await aPod({ command: 'setInterval(() => 0, 1000)', spec: { filters: [aFilter(harness().algorithmImage, '')] } });
    await pod.create();
    const { HostConfig, Config } = await harness().docker.getContainer(`c2d-${pod.pod.jobId}-1-filter-0`).inspect();
    expect(HostConfig).toMatchObject({
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      Privileged: false,
      PidsLimit: 512,
      Memory: 128 * 1024 ** 2,
    });
    expect(JSON.stringify(Config.Env)).not.toContain(pod.gateway.token);
  });

  test("run as the algorithm's user, also where only its image knows the name", async () => {
    const { docker, busyboxPath, algorithmImage } = harness();
    const named = await ensureNodeAlgorithmImage({ docker, busyboxPath }, '1234:77');
    const pod = await aPod({
      command: `const fs = require('fs'); fs.writeFileSync('/data/outputs/a', '', { mode: 0o600 });`,
      spec: {
        image: named,
        filters: [
          aFilter(algorithmImage, `console.log(process.getuid(), process.getgid()); require('fs').appendFileSync('/data/outputs/a', 'x')`),
        ],
      },
    });
    await pod.create();
    await pod.gateway.untilReport('publishOutputs');
    expect(publishedOf(pod).filters?.map(({ log }) => Buffer.from(log, 'base64').toString())).toEqual(['1234 77\n']);
    expect(pod.gateway.output('a')?.bytes.toString()).toBe('x');
  });

  test('whose image is nowhere keep the pod from being made, and the fault is not the consumer’s', async () => {
    const pod = await aPod({ command: 'x', spec: { filters: [aFilter('localhost/nothing:1', '')] } });
    await expect(pod.create()).rejects.toMatchObject({
      type: 'FilterFailed',
      message: 'the image of the filter of environment test is a local one and is not on this machine',
    });
  });

  test('that die while they wait keep the outputs back', async () => {
    const pod = await aPod({
      command: `require('fs').writeFileSync('/data/outputs/a', 'a'); console.log('up'); process.on('SIGTERM', () => process.exit(0)); setInterval(() => 0, 1000);`,
      spec: { filters: [aFilter(harness().algorithmImage, '')] },
    });
    await pod.create();
    await pod.gateway.until(() => pod.gateway.log.includes('up'), 'the first line');
    await harness().docker.getContainer(`c2d-${pod.pod.jobId}-1-filter-0`).kill();
    await pod.runtime.stop(pod.pod, 5);
    await pod.gateway.untilReport('publishOutputs');
    expect(publishedOf(pod)).toMatchObject({
      withheldAs: 'FilterFailed',
      withheld: 'the outputs are withheld because the filter of environment test ended without a verdict',
      files: [{ name: 'algorithm.log' }],
    });
  });

  test.each([
    ['while the filter runs', 'while', ''],
    ['and the filter ends before it is back', 'after', ''],
  ])('judge once when their agent is killed %s', async (_what, when) => {
    const code = `const fs = require('fs'); fs.appendFileSync('/data/outputs/runs', 'x'); fs.writeFileSync('/data/outputs/begun', ''); setTimeout(() => process.exit(4), ${when === 'while' ? 3_000 : 300});`;
    const pod = await aPod({
      command: `require('fs').writeFileSync('/data/outputs/a', 'a')`,
      spec: { filters: [aFilter(harness().algorithmImage, code)] },
    });
    await pod.create();
    await pod.gateway.until(() => pod.gateway.events.some(({ progress }) => progress?.filtering === true), 'the filter');
    await delay(when === 'while' ? 500 : 100);
    const plans = (): number => pod.gateway.requests.filter((request) => request.endsWith('/plan')).length;
    process.kill((await pod.inspect('agent')).State.Pid, 'SIGKILL');
    await pod.gateway.until(() => plans() === 2, 'the second life of the agent');
    await pod.gateway.untilReport('publishOutputs');
    expect(publishedOf(pod)).toMatchObject({ withheldAs: 'OutputsWithheld', withheld: expect.stringContaining('(exit code 4)') });
    expect(pod.gateway.requests.filter((request) => /^PUT/.test(request)).length).toBe(1);
  });
});
