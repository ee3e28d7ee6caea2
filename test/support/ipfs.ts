/** A real IPFS node of a test file's own, which knows no other. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create, type KuboRPCClient } from 'kubo-rpc-client';
import { ensureKubo, startIpfsServer, type IpfsServer } from '../../infra/toolchain/kubo.ts';

/** A node that takes its folder with it. */
export interface IpfsTestNode extends IpfsServer {
  readonly client: KuboRPCClient;
  /** what any reader of the network gets for a CID and a path below it */
  fetchContent(path: string): Promise<string>;
}

export const openIpfsNode = async (): Promise<IpfsTestNode> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-ipfs-'));
  const { path: file } = await ensureKubo();
  const server = await startIpfsServer({ file, folder });
  const stop = server.close;
  return Object.assign(server, {
    client: create({ url: server.apiUrl }),
    fetchContent: async (content: string) => {
      const response = await fetch(`${server.gatewayUrl}/ipfs/${content}`);
      if (!response.ok) throw new Error(`the gateway of the node answers ${response.status}`);
      return response.text();
    },
    close: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  });
};
