/** The build context of an image for algorithms in JavaScript: Node from this machine, busybox as its shell. */

import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { copyNode } from '../nodeFiles.ts';

/** A shell and what small scripts call. */
const applets = ['sh', 'cat', 'cp', 'ls', 'mkdir', 'sleep', 'env', 'id', 'head', 'wc'];

const containerfile = path.join(import.meta.dirname, 'Containerfile');

/** What may differ between images of this kind. */
export interface NodeAlgorithmImage {
  readonly busyboxPath: string;
  /** `USER` of the image; none by default, as in most images of consumers */
  readonly user?: string;
}

/** Name of the image: its tag changes with Node, busybox and the recipe. */
export const nodeAlgorithmTag = async ({ busyboxPath, user = '' }: NodeAlgorithmImage): Promise<string> => {
  const digest = createHash('sha256').update(
    `${process.version} ${process.arch} ${(await stat(process.execPath)).size} ${user} ${applets.join()}\n`,
  );
  digest.update(await readFile(containerfile)).update(await readFile(busyboxPath));
  return `localhost/c2d-algorithm-node:${digest.digest('hex').slice(0, 16)}`;
};

/** Writes the context into `folder`: `Containerfile`, and `root/` with the image's files. @returns the image's tag */
export const nodeAlgorithmContext = async (folder: string, image: NodeAlgorithmImage): Promise<{ readonly tag: string }> => {
  const root = path.join(folder, 'root');
  await mkdir(path.join(root, 'bin'), { recursive: true });
  await copyNode(root);
  await copyFile(image.busyboxPath, path.join(root, 'bin/busybox'));
  await chmod(path.join(root, 'bin/busybox'), 0o755);
  for (const applet of applets) await symlink('busybox', path.join(root, 'bin', applet));
  const recipe = await readFile(containerfile, 'utf8');
  await writeFile(path.join(folder, 'Containerfile'), image.user === undefined ? recipe : `${recipe}USER ${image.user}\n`);
  return { tag: await nodeAlgorithmTag(image) };
};
