/** DIDs and checksums. */

import { createHash } from 'node:crypto';
import { getAddress } from 'ethers';

/** sha256, lower-case hex. */
export const sha256Hex = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

const didPattern = /^did:(op|ope):([0-9a-f]{64})$/;

/** True for the form that every Ocean DID has. */
export const isDid = (text: string): boolean => didPattern.test(text);

/** The 64 hex characters of a DID, or null when `text` is none. */
export const didHash = (text: string): string | null => didPattern.exec(text)?.[2] ?? null;

/** The part of a DID that depends on NFT and chain: sha256 hex of checksummed address and decimal chain id. */
export const computeDidHash = (nftAddress: string, chainId: number): string => sha256Hex(getAddress(nftAddress) + String(chainId));

/** The DID of an NFT. Version 5 documents use the method `ope`, all others `op`. */
export const computeDid = (nftAddress: string, chainId: number, method: 'op' | 'ope' = 'op'): string =>
  `did:${method}:${computeDidHash(nftAddress, chainId)}`;

/** Addresses, hashes and ids are the same in whatever case they are written. */
export const isSameId = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** A DID without `did:op:` or `did:ope:`; text that is no DID stays as it is. */
export const folderOfDid = (did: string): string => didHash(did) ?? did;

/** sha256 hex of entrypoint and image checksum, joined without a separator (trusted algorithms' `containerSectionChecksum`). */
export const containerSectionChecksum = (container: { readonly entrypoint: string; readonly checksum: string }): string =>
  sha256Hex(container.entrypoint + container.checksum);
