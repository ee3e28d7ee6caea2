/** The Node binary with the libraries it needs: enough of a file system to run JavaScript in an empty image. */

import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Copies this process's Node and its libraries below `root`, at the paths where the loader looks for them.
 * @param root the image's root folder
 * @returns path of Node inside the image
 */
export const copyNode = async (root: string): Promise<string> => {
  const inImage = '/usr/local/bin/node';
  await copyInto(root, process.execPath, inImage);
  await chmod(path.join(root, inImage), 0o755);
  await copyLibraries(root, process.execPath);
  return inImage;
};

/** Copies the libraries of a program, or of a native module, below `root`, at the paths where the loader looks for them. */
export const copyLibraries = async (root: string, program: string): Promise<void> => {
  for (const library of await listLibraries(program)) await copyInto(root, await realpath(library), library);
};

/** Absolute paths of the shared libraries and the loader of a program, as `ldd` names them. */
const listLibraries = async (program: string): Promise<readonly string[]> => {
  const { stdout } = await run('ldd', [program]);
  const named = stdout.split('\n').map((line) => /(?:=>\s*)?(\/\S+)\s+\(0x/.exec(line)?.[1]);
  return named.filter((file) => file !== undefined);
};

const copyInto = async (root: string, source: string, target: string): Promise<void> => {
  const place = path.join(root, target);
  await mkdir(path.dirname(place), { recursive: true });
  await copyFile(source, place);
};
