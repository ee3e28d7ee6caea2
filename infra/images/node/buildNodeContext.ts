/** The build context of a base image for the service: Node from this machine and the libraries of everything native. */

import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { copyLibraries, copyNode } from '../nodeFiles.ts';

const containerfile = path.join(import.meta.dirname, 'Containerfile');

/** Authorities that everybody trusts; Temporal's client has none of its own. */
const authorities = '/etc/ssl/certs/ca-certificates.crt';

const files: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0::/:/nowhere\nservice:x:64240:64240::/:/nowhere\n',
  'etc/group': 'root:x:0:\nservice:x:64240:\n',
  'etc/nsswitch.conf': 'hosts: files dns\n',
};

/**
 * Writes `Containerfile` and `root/` below `directory`, which is empty.
 * @param natives native modules that programs of the image will load
 */
export const writeNodeContext = async (directory: string, natives: readonly string[]): Promise<void> => {
  const root = path.join(directory, 'root');
  await copyNode(root);
  for (const native of natives) await copyLibraries(root, native);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), text);
  }
  await mkdir(path.join(root, 'tmp'));
  await chmod(path.join(root, 'tmp'), 0o1777);
  if (existsSync(authorities)) {
    await mkdir(path.dirname(path.join(root, authorities)), { recursive: true });
    await copyFile(authorities, path.join(root, authorities));
  }
  await copyFile(containerfile, path.join(directory, 'Containerfile'));
};
