/** A plain client of Kubo that adds a folder of this machine: what any way into IPFS is compared with. */

import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { create } from 'kubo-rpc-client';

/** Adds every file of a folder in one request, as one pinned directory. @returns milliseconds */
export const addPlainly = async (url: string, folder: string): Promise<number> => {
  const client = create({ url });
  const names = await readdir(folder);
  const contents = async function* () {
    for (const name of names) yield { path: name, content: createReadStream(path.join(folder, name)) };
  };
  const startedAt = performance.now();
  let added = 0;
  for await (const _ of client.addAll(contents(), { cidVersion: 1, wrapWithDirectory: true })) added += 1;
  if (added !== names.length + 1) throw new Error(`the node added ${added - 1} files instead of ${names.length}`);
  return performance.now() - startedAt;
};
