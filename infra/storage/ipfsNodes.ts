/** The nodes of a store, and what its operations share. */

import { JobFailure } from '../../workflows/contract/failures.ts';
import type { IpfsStoreConfig } from './config.ts';
import type { IpfsNode } from './ipfsNode.ts';
import type { AttemptPaths } from './ipfsPaths.ts';

/** What an IPFS store is made of; `copies` absent: on all nodes. */
export type IpfsStoreOptions = Pick<IpfsStoreConfig, 'nodes' | 'copies' | 'folder' | 'collectGarbage' | 'idleSeconds'>;

/** What every operation of a store needs. */
export interface IpfsDeps {
  readonly nodes: readonly IpfsNode[];
  readonly options: IpfsStoreOptions;
  readonly folders: Folders;
}

/** Makes the folders of an attempt, once as far as this process knows. */
interface Folders {
  make(node: IpfsNode, paths: AttemptPaths): Promise<void>;
  /** so that all are made again when they are needed next */
  forget(): void;
}

const rememberedFolders = 1_000;

export const createFolders = (): Folders => {
  const made = new Map<IpfsNode, Set<string>>();
  return {
    async make(node, { attempt, parts, files }) {
      const known = made.get(node) ?? new Set();
      if (known.has(attempt)) return;
      await node.makeFolder(parts);
      await node.makeFolder(files);
      if (known.size >= rememberedFolders) known.clear();
      made.set(node, known.add(attempt));
    },
    forget: () => made.clear(),
  };
};

/** Nodes that answered last time first. */
export const inOrder = (nodes: readonly IpfsNode[]): readonly IpfsNode[] => [
  ...nodes.filter((node) => !node.isAway()),
  ...nodes.filter((node) => node.isAway()),
];

/** Where new files go. @throws JobFailure StorageRefused for a store without nodes */
export const preferred = (nodes: readonly IpfsNode[]): IpfsNode => {
  const [first] = inOrder(nodes);
  if (first === undefined) throw new JobFailure('StorageRefused', 'the result store has no node: name one in its configuration');
  return first;
};
