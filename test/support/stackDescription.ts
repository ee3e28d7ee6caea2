/** What test files must know about a stack that another process runs. Plain JSON. */

import path from 'node:path';
import { ensureNodeAlgorithmImage } from '../../infra/toolchain/algorithmImage.ts';
import { ensureBusybox } from '../../infra/toolchain/busybox.ts';
import { ensureClients } from '../../infra/toolchain/clients.ts';
import type { Stack } from '../../infra/toolchain/stack.ts';
import type { PodsPlace } from '../../infra/toolchain/stackPods.ts';

export interface StackDescription {
  readonly apiUrl: string;
  readonly rpcUrl: string;
  readonly addressFile: string;
  readonly clientsFolder: string;
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  /** where the service keeps results */
  readonly storageFolder: string;
  readonly folder: string;
  /** where execution pods are, with an administrator's rights */
  readonly pods: PodsPlace;
  /** label value of everything this service creates where its pods run */
  readonly instance: string;
  /** an ERC20 token of the chain */
  readonly token: string;
  /** image with `node` and `sh`, without a user */
  readonly nodeImage: string;
  /** the same with `USER root` */
  readonly rootImage: string;
  /** file with what the operator's receiver was told, a line of JSON each; only beside the shared stack */
  readonly webhookLog?: string;
}

/** Describes a stack of this process, and prepares what tests use beside it. */
export const describeForTests = async (stack: Stack): Promise<StackDescription> => {
  const [clients, busybox] = await Promise.all([ensureClients(), ensureBusybox()]);
  const build = { docker: stack.docker, busyboxPath: busybox.path };
  const nodeImage = await stack.importImage(await ensureNodeAlgorithmImage(build));
  const rootImage = await stack.importImage(await ensureNodeAlgorithmImage(build, 'root'));
  const addressFile = path.join(stack.folder, 'address.json');
  stack.chain.addressFile(addressFile);
  const { apiUrl, databaseUrl, temporalAddress, storageFolder, folder, instance, pods } = stack;
  return {
    ...{ apiUrl, databaseUrl, temporalAddress, storageFolder, folder, instance, pods, addressFile, nodeImage, rootImage },
    rpcUrl: stack.chain.rpcUrl,
    clientsFolder: clients.path,
    token: stack.chain.contracts.ocean,
  };
};
