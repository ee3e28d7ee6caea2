/** The trusted program beside every algorithm. Ends with 0 when there is nothing left to do. */

import { runAgent } from './agent.ts';
import { createGateway } from './client.ts';
import { rememberAnswers } from './cluster.ts';
import { readConfig } from './config.ts';
import { createSend } from './http.ts';

process.umask(0o022);
const ending = new AbortController();
// an engine leaves the agent alone when it stops an algorithm; on a cluster TERM is the end of the whole pod
process.on('SIGTERM', () => ending.abort());
process.on('SIGINT', () => undefined);

// no await at the top: the image has all modules in one CommonJS file
const run = async (): Promise<void> => {
  const { gateway: address, token, clusterGraceSeconds, ...places } = readConfig(process.env);
  const { send, heardAtMs } = rememberAnswers(createSend(address, token));
  await runAgent({
    gateway: createGateway(send),
    address,
    ...places,
    ...(clusterGraceSeconds !== undefined && { cluster: { graceSeconds: clusterGraceSeconds, ending: ending.signal, heardAtMs } }),
  });
};

run().then(
  () => process.exit(0),
  (err: unknown) => {
    process.stderr.write(`the agent failed: ${err instanceof Error ? (err.stack ?? err.name) : 'unknown'}\n`);
    process.exit(1);
  },
);
