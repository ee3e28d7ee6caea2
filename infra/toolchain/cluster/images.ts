/** Images in a node's container runtime. */

import type { Readable } from 'node:stream';
import { execa } from 'execa';
import type Docker from 'dockerode';
import { findOnPath, runProgram } from '../run.ts';

const importPatienceMs = 300_000;

const ctr = (socket: string, args: readonly string[]): readonly [string, readonly string[]] => [
  findOnPath('ctr') ?? 'ctr',
  ['--address', socket, '--namespace', 'k8s.io', ...args],
];

/** Imports an archive such as `docker save` writes. */
export const importArchive = async (socket: string, archive: string): Promise<void> => {
  await runProgram(...ctr(socket, ['images', 'import', archive]), { timeoutMs: importPatienceMs });
};

/** Names of all images of the node. */
export const listImages = async (socket: string): Promise<readonly string[]> => {
  const text = await runProgram(...ctr(socket, ['images', 'list', '--quiet']), { timeoutMs: 60_000 });
  return text.split('\n').filter((line) => line !== '');
};

/** The whole name of an image, as the node's runtime knows it: `nginx` is `docker.io/library/nginx:latest`. */
export const wholeReference = (reference: string): string => {
  const [first = '', ...rest] = reference.split('/');
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const path = hasRegistry ? reference : rest.length > 0 ? `docker.io/${reference}` : `docker.io/library/${reference}`;
  return /[:@][^/]*$/.test(path.slice(path.lastIndexOf('/'))) ? path : `${path}:latest`;
};

/**
 * Copies an image of a container engine to the node, unless the same image is there already.
 * @returns the name by which pods get it
 * @throws Error if the engine has no such image
 */
export const importFromEngine = async (socket: string, docker: Docker, reference: string): Promise<string> => {
  const image = docker.getImage(reference);
  const { Id, RepoTags } = await image.inspect();
  const name = await nameInArchive(reference, RepoTags ?? []);
  if (await hasImage(socket, name, Id)) return name;
  const archive = await image.get();
  const [file, args] = ctr(socket, ['images', 'import', '-']);
  await execa(file, args, { input: archive as Readable, timeout: importPatienceMs });
  if (!(await listImages(socket)).includes(name)) throw new Error(`the node did not take the image ${name}`);
  await runProgram(...ctr(socket, ['images', 'label', name, `${idLabel}=${Id}`]), { timeoutMs: 60_000 });
  return name;
};

const idLabel = 'durable-c2d.engine-id';

/** Podman saves what it built under `localhost/`. */
const nameInArchive = async (reference: string, tags: readonly string[]): Promise<string> => {
  const tag = tags.find(
    (each) => each === reference || each === `localhost/${reference}` || wholeReference(each) === wholeReference(reference),
  );
  return wholeReference(tag ?? reference);
};

const hasImage = async (socket: string, name: string, id: string): Promise<boolean> => {
  const filter = `name==${name},labels."${idLabel}"==${id}`;
  return (await runProgram(...ctr(socket, ['images', 'list', '--quiet', filter]), { timeoutMs: 60_000 })) !== '';
};
