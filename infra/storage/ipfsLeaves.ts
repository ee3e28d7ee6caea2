/** Whether a node of IPFS has the bytes that it was sent: the CIDs of a file's leaves are digests of its pieces. */

import { createHash } from 'node:crypto';
import { CID } from 'kubo-rpc-client';

/** What `ipfs add` cuts files into. */
const leafBytes = 256 * 1024;
/** codec of a leaf that is nothing but bytes, and the code of SHA-256 */
const rawCodec = 0x55;
const sha2Code = 0x12;

/** Bytes on their way to a node. */
export interface WatchedBytes {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** One digest of the digests of all leaves; to be asked once the bytes have passed. */
  digest(): string;
}

/** Watches bytes as they pass; memory does not depend on how many they are. */
export const watchLeaves = (bytes: AsyncIterable<Uint8Array>): WatchedBytes => {
  const all = createHash('sha256');
  let [leaf, size, leaves] = [createHash('sha256'), 0, 0];
  const endLeaf = (): void => {
    all.update(leaf.digest());
    leaves += 1;
    [leaf, size] = [createHash('sha256'), 0];
  };
  const watch = async function* (): AsyncIterable<Uint8Array> {
    for await (const chunk of bytes) {
      for (let at = 0; at < chunk.length;) {
        const piece = chunk.subarray(at, at + leafBytes - size);
        leaf.update(piece);
        size += piece.length;
        at += piece.length;
        if (size === leafBytes) endLeaf();
      }
      yield chunk;
    }
    // an empty file is one empty leaf
    if (size > 0 || leaves === 0) endLeaf();
  };
  return { bytes: watch(), digest: () => all.digest('hex') };
};

/**
 * The same digest of what a node has.
 * @param cid of a file as `ipfs add --cid-version=1` lays it out
 * @param listBelow CIDs of everything below it, in order, repeated ones too
 */
export const digestOfLeaves = async (cid: string, listBelow: () => AsyncIterable<string>): Promise<string> => {
  const all = createHash('sha256');
  const add = ({ code, multihash }: CID): void => {
    if (code === rawCodec) all.update(multihash.code === sha2Code ? multihash.digest : 'another digest');
  };
  const root = CID.parse(cid);
  if (root.code === rawCodec) add(root);
  else for await (const below of listBelow()) add(CID.parse(below));
  return all.digest('hex');
};
