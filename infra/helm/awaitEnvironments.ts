/**
 * Run as a program by `helm test`, inside the cluster: ends with 0 once the API is healthy and offers every environment
 * of the installation. Arguments: the API's address, the environments' ids, seconds to wait. It offers one only after a job of its own has proved from inside that its pods are sealed.
 */

import { setTimeout as pause } from 'node:timers/promises';

const [api = '', environments = '', timeoutSeconds = '300'] = process.argv.slice(2);
const wanted = environments.split(',').filter((id) => id !== '');
const pauseMs = 2_000;
const answerPatienceMs = 10_000;

const read = async (path: string): Promise<unknown> => {
  const response = await fetch(`${api}${path}`, { signal: AbortSignal.timeout(answerPatienceMs) });
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw new Error(`${path} answers ${response.status}: ${JSON.stringify(body)?.slice(0, 500) ?? 'no JSON'}`);
  return body;
};

/** Why it is not as it should be; undefined once it is. */
const findProblem = async (): Promise<string | undefined> => {
  await read('/health/ready');
  const offered = (await read('/api/services/computeEnvironments')) as readonly { readonly id: string }[];
  const missing = wanted.filter((id) => !offered.some((environment) => environment.id === id));
  return missing.length === 0 ? undefined : `not offered yet: ${missing.join(', ')}`;
};

const giveUpAt = Date.now() + Number(timeoutSeconds) * 1_000;
let told = '';
for (;;) {
  const problem = await findProblem().catch(
    (err: unknown) => `the API does not serve: ${err instanceof Error ? err.message : String(err)}`,
  );
  if (problem === undefined) break;
  if (problem !== told) process.stdout.write(`${problem}\n`);
  told = problem;
  if (Date.now() > giveUpAt) {
    process.stdout.write("Gave up. The orchestrator's log says why a self-test failed; docs/install.md lists the usual reasons.\n");
    process.exit(1);
  }
  await pause(pauseMs);
}
process.stdout.write(`offered, each after a job that proved its seal: ${wanted.join(', ')}\n`);
