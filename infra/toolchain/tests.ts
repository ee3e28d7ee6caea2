/** `npm test`: prepares the real parts, then hands over to jest. */

import path from 'node:path';
import { execa } from 'execa';
import { ensureBusybox } from './busybox.ts';
import { prepareParts } from './prepare.ts';
import { ensureTemporalCli } from './temporal.ts';

const project = path.resolve(import.meta.dirname, '../..');
const jest = path.join(project, 'node_modules/jest/bin/jest.js');

/** Arguments with which jest only prints something and runs no test. */
const withoutTests = ['--help', '-h', '--version', '-v', '--listTests', '--showConfig'];

/**
 * Runs jest. The tests find the parts through `TEMPORAL_CLI_PATH` and `C2D_BUSYBOX_PATH`; they never skip for want of one.
 * @param args of jest
 * @returns jest's exit code
 * @throws MissingPart before the first test if a part cannot be had
 */
export const runTests = async (args: readonly string[]): Promise<number> => {
  const parts = args.some((arg) => withoutTests.includes(arg)) ? {} : await prepareForTests();
  const env = {
    ...parts,
    NODE_OPTIONS: [process.env.NODE_OPTIONS, '--experimental-vm-modules', '--no-warnings'].filter(Boolean).join(' '),
  };
  // forwarded by hand: jest ends its workers itself when told
  const run = execa(process.execPath, [jest, ...args], { cwd: project, env, stdio: 'inherit', reject: false });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => run.kill(signal));
  const { exitCode } = await run;
  return exitCode ?? 1;
};

const prepareForTests = async (): Promise<Readonly<Record<string, string>>> => {
  await prepareParts();
  const [temporal, busybox] = await Promise.all([ensureTemporalCli(), ensureBusybox()]);
  return { TEMPORAL_CLI_PATH: temporal.path, C2D_BUSYBOX_PATH: busybox.path };
};
