/** What filters of outputs do on every runtime, with real containers, the real agent and the real wrapper. */

import type { PodFilter } from '../../../workflows/contract/pod.ts';
import type { SuitePod, SuitePodOptions } from './pods.suite.ts';
import type { Report } from './testGateway.ts';

/** A filter with JavaScript for `node -e`, unless `changes` has another command. */
export const aFilter = (image: string, code: string, changes: Partial<PodFilter> = {}): PodFilter => ({
  ...{ by: 'environment test', image, command: ['node', '-e', code], env: {} },
  ...{ cpu: 0.2, memoryBytes: 128 * 1024 ** 2, seconds: 30, seesInputs: true },
  ...changes,
});

/** What was published, as the agent told it. */
export const publishedOf = ({
  gateway,
}: Pick<SuitePod, 'gateway'>): Extract<Report, { phase: 'publishOutputs'; outcome: 'done' }>['result'] => {
  const report = gateway.report('publishOutputs');
  if (report?.outcome !== 'done' || report.phase !== 'publishOutputs') throw new Error(`not published: ${JSON.stringify(report)}`);
  return report.result;
};

const namesOf = (pod: SuitePod): readonly string[] => publishedOf(pod).files.map(({ name }) => name);
const logOf = (log: string): string => Buffer.from(log, 'base64').toString();

/** Writes two files. */
const writing = `const fs = require('fs'); fs.writeFileSync('/data/outputs/a', 'good'); fs.writeFileSync('/data/outputs/b', 'bad', { mode: 0o600 });`;

/** @param aPod makes a pod that is not created yet, and removes it after the test */
export const describeFilters = (aPod: (options: SuitePodOptions) => Promise<SuitePod>, image: () => string): void => {
  const runToEnd = async (filters: readonly PodFilter[], options: Partial<SuitePodOptions> = {}): Promise<SuitePod> => {
    const pod = await aPod({ command: writing, ...options, spec: { filters, ...options.spec } });
    await pod.create();
    await pod.gateway.untilReport('publishOutputs', 40_000);
    return pod;
  };

  test('a filter that ends well lets out what it has left, and is told of', async () => {
    const pod = await runToEnd(
      [
        aFilter(
          image(),
          `const fs = require('fs'); fs.rmSync('/data/outputs/b'); fs.appendFileSync('/data/outputs/a', '!'); console.log('removed b', process.env.MODE); console.error(fs.readFileSync('/data/inputs/abc/0', 'utf8'));`,
          { env: { MODE: 'strict' } },
        ),
      ],
      { files: new Map([[0, Buffer.from('input')]]), plan: { files: [{ n: 0, path: 'inputs/abc/0', mode: 0o644, role: 'input' }] } },
    );
    expect(namesOf(pod)).toEqual(['a', 'algorithm.log']);
    expect(pod.gateway.output('a')?.bytes.toString()).toBe('good!');
    const { filters = [], withheld } = publishedOf(pod);
    expect([withheld, filters.map(({ by, exitCode, log }) => [by, exitCode, logOf(log)])]).toEqual([
      undefined,
      [['environment test', 0, 'removed b strict\ninput\n']],
    ]);
    // nothing of a filter is in the log that consumers read
    expect(pod.gateway.log).toBe('');
    expect(pod.gateway.report('runAlgorithm')).toMatchObject({ outcome: 'done', filtering: true });
    expect(pod.gateway.events.some(({ progress }) => progress?.filtering === true)).toBe(true);
    expect(pod.gateway.events.at(-1)?.progress?.filtering).toBeUndefined();
  });

  test.each<[string, string | readonly string[], Partial<PodFilter>, object]>([
    [
      'another exit code refuses',
      'process.exit(3)',
      {},
      { withheldAs: 'OutputsWithheld', withheld: 'the outputs are withheld by the filter of environment test (exit code 3)' },
    ],
    [
      'a filter that takes too long has failed',
      'setInterval(() => 0, 1000)',
      { seconds: 1 },
      { withheldAs: 'FilterFailed', withheld: 'the outputs are withheld because the filter of environment test took longer than its 1 s' },
    ],
    [
      'a filter without its program has failed',
      ['/nothing/here'],
      {},
      { withheldAs: 'FilterFailed', withheld: expect.stringContaining('could not be started') as string },
    ],
    [
      'a filter that runs out of memory has failed',
      'const all = []; for (;;) all.push(Buffer.alloc(10_000_000, 1));',
      {},
      { withheldAs: 'FilterFailed', withheld: expect.stringContaining('exceeded its memory limit') as string },
    ],
    [
      'a filter that is killed has failed',
      "process.kill(process.pid, 'SIGKILL')",
      {},
      { withheldAs: 'FilterFailed', withheld: expect.stringContaining('failed (exit code 137)') as string },
    ],
    [
      'a filter that leaves more than may leave has failed',
      "require('fs').writeFileSync('/data/outputs/c', Buffer.alloc(2_000_000))",
      {},
      { withheldAs: 'FilterFailed', withheld: expect.stringContaining('left more than may leave') as string },
    ],
  ])('%s, and no byte of the outputs leaves', async (_what, command, changes, expected) => {
    const filter = aFilter(
      image(),
      typeof command === 'string' ? command : '',
      typeof command === 'string' ? changes : { ...changes, command },
    );
    const pod = await runToEnd([filter], { plan: { limits: { outputBytes: 1_000_000 } } });
    expect(publishedOf(pod)).toMatchObject(expected);
    expect(namesOf(pod)).toEqual(['algorithm.log']);
    expect(pod.gateway.requests.filter((request) => /^PUT/.test(request)).length).toBe(1);
    expect(pod.gateway.output('algorithm.log')?.bytes.toString()).toBe(`\n[${publishedOf(pod).withheld}]\n`);
  });

  test('filters follow each other, each in its own walls, and none after one that refuses', async () => {
    const look = (more: string): string => `const fs = require('fs'); const net = require('net');
      const attempt = (work) => { try { return work() ?? 'allowed'; } catch (err) { return err.code; } };
      console.log(JSON.stringify({ uid: process.getuid(), env: Object.keys(process.env).sort(), outputs: fs.readdirSync('/data/outputs'),
        data: attempt(() => fs.readdirSync('/data').sort().join()), control: attempt(() => fs.readdirSync('/.c2d').sort().join()),
        others: attempt(() => fs.readdirSync('/.c2d-filters').join()), state: attempt(() => fs.readFileSync('/.c2d/agent-state.json')),
        root: attempt(() => fs.writeFileSync('/x', '')), input: attempt(() => fs.writeFileSync('/data/inputs/x', '')), stop: attempt(() => fs.writeFileSync('/.c2d/stop', '')) }));
      ${more}`;
    const pod = await runToEnd([
      aFilter(image(), look("fs.writeFileSync('/data/outputs/first', '1')"), { by: 'did:op:one', seesInputs: false }),
      aFilter(image(), look('process.exit(1)')),
      aFilter(image(), 'console.log("never")', { by: 'did:op:three' }),
    ]);
    const { filters = [], withheld } = publishedOf(pod);
    expect(withheld).toBe('the outputs are withheld by the filter of environment test (exit code 1)');
    expect(filters.map(({ by, exitCode }) => [by, exitCode])).toEqual([
      ['did:op:one', 0],
      ['environment test', 1],
    ]);
    const [one, two] = filters.map(({ log }) => JSON.parse(logOf(log)) as Record<string, unknown>);
    const walls = { uid: 1000, others: 'ENOENT', state: 'EACCES', root: 'EROFS', stop: 'EROFS' };
    const control = expect.stringMatching(/^agent-state.json,(busybox,)?gate,life,log,ready$/) as string;
    expect(one).toMatchObject({ ...walls, control, data: 'outputs', outputs: ['a', 'b'], input: 'ENOENT' });
    expect(two).toMatchObject({
      ...walls,
      control,
      data: 'ddos,inputs,logs,outputs,transformations',
      outputs: ['a', 'b', 'first'],
      input: 'EROFS',
    });
    const own = (env: unknown): readonly string[] =>
      (env as string[]).filter((name) => !['HOSTNAME', 'HOME', 'TERM', 'container', 'NODE_VERSION', 'PATH'].includes(name));
    expect([own(one?.env), own(two?.env)]).toEqual([['OUTPUTS'], ['INPUTS', 'LOGS', 'OUTPUTS', 'VOLUME']]);
  });

  test('an algorithm sees nothing of a filter, and none runs where nothing would leave', async () => {
    const pod = await runToEnd([aFilter(image(), 'process.exit(1)')], {
      command: `const fs = require('fs'); console.log(fs.readdirSync('/').filter((name) => name.startsWith('.c2d')).join(), fs.readdirSync('/.c2d').sort().join());`,
    });
    expect(pod.gateway.log).toBe('.c2d agent-state.json,busybox,gate,life,log,ready\n');
    expect(publishedOf(pod)).toEqual({ files: [expect.objectContaining({ name: 'algorithm.log' })] });
  });

  test('what a stopped algorithm left is filtered as well', async () => {
    const pod = await aPod({
      command: `${writing} process.on('SIGTERM', () => process.exit(5)); console.log('up'); setInterval(() => 0, 1000);`,
      spec: { filters: [aFilter(image(), "setTimeout(() => require('fs').rmSync('/data/outputs/b'), 1500)")] },
    });
    await pod.create();
    await pod.gateway.until(() => pod.gateway.log.includes('up'), 'the first line');
    await pod.runtime.stop(pod.pod, 5);
    await pod.gateway.untilReport('publishOutputs', 40_000);
    expect(namesOf(pod)).toEqual(['a', 'algorithm.log']);
    expect(publishedOf(pod).filters?.map(({ exitCode }) => exitCode)).toEqual([0]);
  });
};
