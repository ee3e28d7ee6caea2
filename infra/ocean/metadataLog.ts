/** The document in a `MetadataCreated` or `MetadataUpdated` log: decrypted, unpacked, checked against its hash. */

import { getBytes } from 'ethers';
import xz from 'xz-decompress';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { nftAbi } from './abi.ts';
import type { ChainLog } from './chains.ts';
import type { Decrypter } from './ecies.ts';
import { sha256Hex } from './ids.ts';

const compressedFlag = 1;
const encryptedFlag = 2;
const longestDocumentBytes = 4 * 1024 ** 2;

const unreadable = (reason: string): JobFailure =>
  new JobFailure('AssetNotFound', `the asset's document on chain cannot be used: ${reason}`);

/**
 * Unpacks .xz, up to 4 MiB.
 * @throws JobFailure AssetNotFound when it is no .xz or too large
 */
export const unpackXz = async (packed: Uint8Array): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    const source = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(packed);
        controller.close();
      },
    });
    for await (const chunk of new xz.XzReadableStream(source)) {
      length += chunk.length;
      if (length > longestDocumentBytes) break;
      // the decoder reuses its buffer
      chunks.push(chunk.slice());
    }
  } catch {
    throw unreadable('it is not compressed as its flags say');
  }
  if (length > longestDocumentBytes) throw unreadable('it is larger than 4 MiB');
  return Buffer.concat(chunks);
};

/**
 * Reads the document of a metadata log.
 * @param decrypter opens documents encrypted to us; others cannot be read from the chain
 * @throws JobFailure AssetNotFound when the document is for another provider, damaged or no JSON
 */
export const readMetadataLog = async (log: ChainLog, decrypter: Decrypter): Promise<unknown> => {
  const event = nftAbi.parseLog(log);
  if (event === null) throw unreadable('its event is not one of an NFT');
  const { flags: flagText, data, metaDataHash } = event.args.toObject() as { flags: string; data: string; metaDataHash: string };
  const flags = getBytes(flagText)[0] ?? 0;
  let document = getBytes(data);
  if ((flags & encryptedFlag) !== 0) {
    const opened = decrypter.decrypt(data);
    if (opened === null) throw unreadable('it is encrypted for another provider');
    document = opened;
  }
  if ((flags & compressedFlag) !== 0) document = await unpackXz(document);
  if (`0x${sha256Hex(document)}` !== metaDataHash.toLowerCase()) throw unreadable('its checksum does not match');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(document)) as unknown;
  } catch {
    throw unreadable('it is not JSON');
  }
};
