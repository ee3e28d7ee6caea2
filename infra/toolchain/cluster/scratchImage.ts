/** Images of static programs and nothing else, made without any engine. */

import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runProgram } from '../run.ts';

/** An image in the making. */
export interface ScratchImage {
  readonly reference: string;
  /** programs by their absolute path in the image */
  readonly programs: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
}

/** Writes the image as an archive such as `docker save` does. */
export const writeScratchImage = async ({ reference, programs, entrypoint }: ScratchImage, archive: string): Promise<void> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-image-'));
  try {
    const root = path.join(folder, 'root');
    for (const [target, source] of Object.entries(programs)) {
      const file = path.join(root, target);
      await mkdir(path.dirname(file), { recursive: true, mode: 0o755 });
      await cp(source, file, { dereference: true });
      await chmod(file, 0o755);
    }
    const layer = path.join(folder, 'layer.tar');
    await runProgram('tar', ['--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--sort=name', '-cf', layer, '-C', root, '.']);
    const digest = createHash('sha256')
      .update(await readFile(layer))
      .digest('hex');
    const config = {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Entrypoint: entrypoint },
      rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
    };
    await writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
    await writeFile(
      path.join(folder, 'manifest.json'),
      JSON.stringify([{ Config: 'config.json', RepoTags: [reference], Layers: ['layer.tar'] }]),
    );
    await runProgram('tar', ['-cf', archive, '-C', folder, 'manifest.json', 'config.json', 'layer.tar']);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
