/** Builds images through the Docker API; the engine keeps them for the next run. */

import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { execa } from 'execa';
import { cacheFolder, withLock } from './cache.ts';
import type { Report } from './parts.ts';

/** What builds need. */
export interface ImageBuild {
  readonly docker: Docker;
  /** a static busybox */
  readonly busyboxPath: string;
  readonly report?: Report;
}

/** How one image is made. */
export interface ImageRecipe {
  readonly docker: Docker;
  readonly report: Report | undefined;
  readonly name: string;
  /** writes the build context and names the image */
  readonly prepare: (folder: string) => Promise<{ readonly tag: string }>;
  /** values of the recipe's `ARG`s */
  readonly buildArguments?: Readonly<Record<string, string>>;
}

/**
 * Builds an image unless the engine has one of that tag. Two at once: one builds, the other waits.
 * @returns the image's tag
 * @throws Error with the engine's reason
 */
export const ensureImage = ({ docker, report, name, prepare, buildArguments = {} }: ImageRecipe): Promise<string> =>
  withLock(`image-${name}`, async () => {
    const parent = path.join(cacheFolder(), 'builds');
    await mkdir(parent, { recursive: true });
    const folder = await mkdtemp(path.join(parent, `${name}-`));
    try {
      await chmod(folder, 0o755);
      const { tag } = await prepare(folder);
      if (await hasImage(docker, tag)) return tag;
      report?.(`building the ${name} image`);
      await build(docker, folder, { tag, buildArguments });
      return tag;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

/** True if the engine has the image. */
export const hasImage = async (docker: Docker, tag: string): Promise<boolean> => {
  try {
    await docker.getImage(tag).inspect();
    return true;
  } catch (err) {
    if ((err as { statusCode?: number }).statusCode === 404) return false;
    throw err;
  }
};

interface BuildLine {
  readonly error?: string;
}

interface BuildOptions {
  readonly tag: string;
  readonly buildArguments: Readonly<Record<string, string>>;
}

const build = async (docker: Docker, folder: string, { tag, buildArguments }: BuildOptions): Promise<void> => {
  const options = { t: tag, dockerfile: 'Containerfile', forcerm: true, networkmode: 'none', buildargs: { ...buildArguments } };
  // packed by tar and not compressed: dockerode's own packing takes longer than the whole build
  const pack = execa('tar', ['-c', '--owner=0', '--group=0', '-C', folder, '.'], { stdin: 'ignore', encoding: 'buffer', buffer: false });
  const output = (await docker.buildImage(pack.stdout, options)) as Readable;
  await pack;
  const lines = await new Promise<readonly BuildLine[]>((resolve, reject) => {
    docker.modem.followProgress(output, (err, progress: BuildLine[]) => (err === null ? resolve(progress) : reject(err)));
  });
  const problem = lines.find((line) => line.error !== undefined)?.error;
  if (problem !== undefined) throw new Error(`the image ${tag} cannot be built: ${problem}`);
  if (!(await hasImage(docker, tag))) throw new Error(`the engine built ${tag} and does not have it`);
};
