/** The .xz container around uncompressed LZMA2 chunks: enough to publish a document with the LZMA flag. */

import { crc32 } from 'node:zlib';

const chunkBytes = 0x1_0000;

const littleEndian = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};

const withCrc = (bytes: Buffer): Buffer => Buffer.concat([bytes, littleEndian(crc32(bytes))]);

const padTo4 = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);

/** Seven bits a byte, least significant first. */
const variableLength = (value: number): Buffer => {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Buffer.from([...bytes, rest]);
};

const lzma2Chunks = (content: Uint8Array): Buffer => {
  const chunks: Uint8Array[] = [];
  for (let start = 0; start < content.length; start += chunkBytes) {
    const piece = content.subarray(start, start + chunkBytes);
    // 1: uncompressed, dictionary reset; 2: uncompressed
    chunks.push(Buffer.from([start === 0 ? 1 : 2, (piece.length - 1) >> 8, (piece.length - 1) & 0xff]), piece);
  }
  return Buffer.concat([...chunks, Buffer.from([0])]);
};

/**
 * @returns a valid .xz file with CRC32 checks that unpacks to `content`; larger than it
 * @see https://tukaani.org/xz/xz-file-format.txt
 */
export const packXz = (content: Uint8Array): Uint8Array => {
  const streamFlags = Buffer.from([0, 1]);
  const header = Buffer.concat([Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), withCrc(streamFlags)]);
  // size 12 bytes, one filter, LZMA2 with one property byte: dictionary of 64 KiB
  const blockHeader = withCrc(Buffer.from([2, 0, 0x21, 1, 8, 0, 0, 0]));
  const chunks = lzma2Chunks(content);
  const check = littleEndian(crc32(content));
  const unpaddedSize = blockHeader.length + chunks.length + check.length;
  const index = withCrc(
    padTo4(Buffer.concat([Buffer.from([0]), variableLength(1), variableLength(unpaddedSize), variableLength(content.length)])),
  );
  const footerBody = Buffer.concat([littleEndian(index.length / 4 - 1), streamFlags]);
  const footer = Buffer.concat([littleEndian(crc32(footerBody)), footerBody, Buffer.from('YZ')]);
  return Buffer.concat([header, blockHeader, padTo4(chunks), check, index, footer]);
};
