/**
 * Runs the stack that all end-to-end tests of one jest run share: `node stackHost.ts <folder> <pid of jest>`.
 * Writes `<folder>/stack.json` when it is up, or `<folder>/failure`. Ends on SIGTERM, and when jest is gone.
 */

import { existsSync } from 'node:fs';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setInterval } from 'node:timers';
import { setTimeout as pause } from 'node:timers/promises';
import { startStack, type Stack } from '../../infra/toolchain/stack.ts';
import { nodeAlgorithmTag } from '../../infra/images/node-algorithm/buildNodeAlgorithmContext.ts';
import { ensureBusybox } from '../../infra/toolchain/busybox.ts';
import { filteringEnvironments, sharedEnvironments } from './environments.ts';
import { describeForTests } from './stackDescription.ts';
import { runtimeOfThisRun } from './testCluster.ts';
import { startWebhookReceiver } from './webhookReceiver.ts';

const [folder = '.', jestPid = '0'] = process.argv.slice(2);
const watchMs = 500;
/** A container engine that hangs would keep everything here for ever; what is left after this is killed when we go. */
const endPatienceMs = 90_000;

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`) || canSignal(pid);

const canSignal = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const publish = async (name: string, text: string): Promise<void> => {
  const unfinished = path.join(folder, `${name}.unfinished`);
  await writeFile(unfinished, text);
  await rename(unfinished, path.join(folder, name));
};

let stack: Stack | undefined;
let isEnding = false;

const end = async (): Promise<void> => {
  if (isEnding) return;
  isEnding = true;
  await Promise.race([stack?.close(), pause(endPatienceMs)]);
  process.exit(0);
};

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end());
setInterval(() => {
  if (!isAlive(Number(jestPid))) void end();
}, watchMs);

try {
  const webhookLog = path.join(folder, 'webhooks.jsonl');
  await writeFile(webhookLog, '');
  const receiver = await startWebhookReceiver((webhook) => appendFile(webhookLog, `${JSON.stringify(webhook)}\n`));
  const { env, ...runtime } = await runtimeOfThisRun();
  const webhooks = { C2D_NOTIFY_START_URL: `${receiver.origin}/started`, C2D_NOTIFY_STOP_URL: `${receiver.origin}/stopped` };
  const image = await nodeAlgorithmTag({ busyboxPath: (await ensureBusybox()).path });
  const environments = [...sharedEnvironments, ...filteringEnvironments(image)];
  stack = await startStack({ ...runtime, env: { ...env, ...webhooks }, environments });
  await publish('stack.json', JSON.stringify({ ...(await describeForTests(stack)), webhookLog }));
} catch (err) {
  await publish('failure', err instanceof Error ? (err.stack ?? err.message) : String(err));
  await end();
}
