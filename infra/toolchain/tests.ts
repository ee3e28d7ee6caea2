/** `npm test` and `npm run test:kubernetes`: prepare the real parts, then hand over to jest. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { ensureBusybox } from './busybox.ts';
import { startCluster, type Cluster } from './cluster/cluster.ts';
import { prepareParts } from './prepare.ts';
import { ensureTemporalCli } from './temporal.ts';

const project = path.resolve(import.meta.dirname, '../..');
const jest = path.join(project, 'node_modules/jest/bin/jest.js');

const endWithParent = pathToFileURL(path.join(import.meta.dirname, 'endWithParent.mjs')).href;

/** Arguments with which jest only prints something and runs no test. */
const withoutTests = ['--help', '-h', '--version', '-v', '--listTests', '--showConfig'];

/**
 * Runs jest. The tests find the parts through `TEMPORAL_CLI_PATH` and `C2D_BUSYBOX_PATH`; they never skip for want of one.
 * @param args of jest
 * @returns jest's exit code
 * @throws MissingPart before the first test if a part cannot be had
 */
export const runTests = async (args: readonly string[]): Promise<number> =>
  runJest(args, isWithoutTests(args) ? {} : await prepareForTests());

/** How the tests on a cluster are run. */
export interface KubernetesTestsOptions {
  /** name of a cluster that is up, and stays; default: one of this run's own */
  readonly cluster?: string;
  /** false: orchestrators do not watch the pods */
  readonly watchPods: boolean;
}

/**
 * Runs jest for the tests whose pods are a real cluster's. A cluster of this run's own goes with it, however it ends.
 * @returns jest's exit code
 * @throws MissingPart before the first test if the cluster or another part cannot be had
 */
export const runKubernetesTests = async (args: readonly string[], options: KubernetesTestsOptions): Promise<number> => {
  const jestArgs = ['--config', path.join(project, 'jest.kubernetes.config.mjs'), ...args];
  if (isWithoutTests(args)) return runJest(jestArgs, {});
  const parts = await prepareForTests();
  const cluster = options.cluster === undefined ? await startOwnCluster() : undefined;
  try {
    const names = { C2D_TEST_RUNTIME: 'kubernetes', C2D_TEST_CLUSTER: options.cluster ?? cluster?.name ?? '' };
    return await runJest(jestArgs, { ...parts, ...names, C2D_TEST_POD_WATCH: String(options.watchPods) });
  } finally {
    await cluster?.close();
  }
};

const startOwnCluster = async (): Promise<Cluster> => {
  const startedAt = performance.now();
  // a run of another process has another number
  const cluster = await startCluster({ name: `test-${process.pid}`, report: (line) => console.error(`cluster: ${line}`) });
  console.error(`cluster: ${cluster.name} is up after ${Math.round((performance.now() - startedAt) / 1_000)} s`);
  return cluster;
};

const isWithoutTests = (args: readonly string[]): boolean => args.some((arg) => withoutTests.includes(arg));

const runJest = async (args: readonly string[], parts: Readonly<Record<string, string>>): Promise<number> => {
  const compiled = await mkdtemp(path.join(tmpdir(), 'c2d-compiled-'));
  const env = {
    ...parts,
    NODE_OPTIONS: [process.env.NODE_OPTIONS, '--experimental-vm-modules', '--no-warnings', `--import=${endWithParent}`]
      .filter(Boolean)
      .join(' '),
    // tests start the same programs many times: the second start of one needs half the time to load it
    NODE_COMPILE_CACHE: compiled,
  };
  try {
    // forwarded by hand: jest ends at once when told, and its workers with it
    const run = execa(process.execPath, [jest, ...args], { cwd: project, env, stdio: 'inherit', reject: false });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => run.kill(signal));
    const { exitCode } = await run;
    return exitCode ?? 1;
  } finally {
    await rm(compiled, { recursive: true, force: true, maxRetries: 3 });
  }
};

const prepareForTests = async (): Promise<Readonly<Record<string, string>>> => {
  await prepareParts();
  await prepareParts(['s3 server', 'ipfs node']);
  const [temporal, busybox] = await Promise.all([ensureTemporalCli(), ensureBusybox()]);
  return { TEMPORAL_CLI_PATH: temporal.path, C2D_BUSYBOX_PATH: busybox.path };
};
