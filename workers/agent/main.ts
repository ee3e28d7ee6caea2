/** The trusted program beside every algorithm. Ends with 0 when there is nothing left to do; any other end is restarted. */

import { runAgent } from './agent.ts';
import { createGateway } from './client.ts';
import { readConfig } from './config.ts';
import { createSend } from './http.ts';

process.umask(0o022);
// stopping the algorithm is the runtime's business: the agent goes on until it has published what there is
process.on('SIGTERM', () => undefined);
process.on('SIGINT', () => undefined);

// no await at the top: the image has all modules in one CommonJS file
const run = async (): Promise<void> => {
  const { gateway, token, dataFolder, controlFolder } = readConfig(process.env);
  await runAgent({ gateway: createGateway(createSend(gateway, token)), dataFolder, controlFolder });
};

run().then(
  () => process.exit(0),
  (err: unknown) => {
    process.stderr.write(`the agent failed: ${err instanceof Error ? (err.stack ?? err.name) : 'unknown'}\n`);
    process.exit(1);
  },
);
