/** A folder and a gateway on TCP for tests of the agent's parts. */

import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { tmpdir } from 'node:os';
import { createGateway, type Gateway } from '../../../workers/agent/client.ts';
import { createSend } from '../../../workers/agent/http.ts';
import { aPlan, TestGateway } from '../../infra/pods/testGateway.ts';

export interface AgentHarness {
  readonly folder: string;
  readonly server: TestGateway;
  readonly gateway: Gateway;
  close(): Promise<void>;
}

export const startAgentHarness = async (
  plan: Parameters<typeof aPlan>[0] = {},
  files = new Map<number, Buffer>(),
): Promise<AgentHarness> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-agent-'));
  const server = new TestGateway(aPlan(plan), files);
  await server.listen(0);
  return {
    folder,
    server,
    gateway: createGateway(createSend({ host: '127.0.0.1', port: server.port }, server.token)),
    async close() {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
