/** `npm run check`: everything that is true without running the service. */

import path from 'node:path';
import { execa } from 'execa';

const bin = path.resolve(import.meta.dirname, '../../node_modules/.bin');

const checks: Readonly<Record<string, readonly [program: string, ...args: string[]]>> = {
  types: ['tsc', '--noEmit', '--pretty', 'false'],
  lint: ['eslint', '.', '--max-warnings', '0'],
  format: ['prettier', '--check', '.'],
  'unused code': ['knip'],
  descriptions: ['node', 'infra/toolchain/openapi/checkDescriptions.ts'],
  chart: ['node', 'infra/toolchain/chart/checkChart.ts'],
};

/**
 * Runs all checks, two at a time, and prints what each of them found.
 * @returns exit code: 0 if all passed
 */
export const runChecks = async (): Promise<number> => {
  const names = Object.keys(checks);
  const failed: string[] = [];
  const takeNext = async (): Promise<void> => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      if (!(await runCheck(name))) failed.push(name);
    }
  };
  await Promise.all([takeNext(), takeNext()]);
  console.log(failed.length === 0 ? 'All checks passed.' : `Failed: ${failed.join(', ')}.`);
  return failed.length === 0 ? 0 : 1;
};

const runCheck = async (name: string): Promise<boolean> => {
  const [program, ...args] = checks[name] ?? ['false'];
  const startedAt = performance.now();
  const result = await execa(path.join(bin, program), args, { reject: false, all: true, stdin: 'ignore' });
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${result.failed ? 'FAILED' : 'ok    '}  ${name} (${seconds} s)`);
  if (result.failed) console.log(result.all.trimEnd());
  return !result.failed;
};
