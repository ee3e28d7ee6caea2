/** Reads files from whichever node of a store has them. */

import { JobFailure } from '../../workflows/contract/failures.ts';
import type { IpfsNode } from './ipfsNode.ts';
import { inOrder, type IpfsDeps } from './ipfsNodes.ts';
import { filePaths } from './ipfsPaths.ts';
import type { StoredFileRef } from './resultStore.ts';

/**
 * From the first node that has one of the paths.
 * @returns undefined if none has; throws if one of them cannot tell
 */
export const readAnywhere = async (
  nodes: readonly IpfsNode[],
  paths: readonly string[],
  window?: { readonly offset: number; readonly length: number },
): Promise<AsyncIterable<Uint8Array> | undefined> => {
  let silence: Error | undefined;
  for (const node of inOrder(nodes)) {
    try {
      for (const path of paths) {
        const bytes = await node.read(path, window);
        if (bytes !== undefined) return bytes;
      }
    } catch (err) {
      silence ??= err as Error;
    }
  }
  if (silence !== undefined) throw silence;
  return undefined;
};

/** @throws JobFailure StorageRefused for a file that no node has */
export const readStored = async (
  { nodes, options }: IpfsDeps,
  file: StoredFileRef,
  range: { readonly start: number; readonly end: number } | undefined,
): Promise<AsyncIterable<Uint8Array>> => {
  const window = range === undefined ? undefined : { offset: range.start, length: range.end - range.start + 1 };
  const bytes = await readAnywhere(nodes, filePaths(options.folder, file).finished, window);
  if (bytes === undefined) throw new JobFailure('StorageRefused', 'the file is not in the result store');
  return bytes;
};
