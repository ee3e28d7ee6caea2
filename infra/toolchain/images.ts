/** `images`: builds what an installation on a cluster needs, and leaves it as archives and as values of the chart. */

import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type Docker from 'dockerode';
import { ensureAgentImage } from './agentImage.ts';
import { ensureBusybox } from './busybox.ts';
import { startContainerEngine } from './containerEngine.ts';
import type { Report } from './parts.ts';
import { ensureServiceImage } from './serviceImage.ts';

/** Where images will be pulled from, and where their archives go. */
export interface ImagesOptions {
  /** registry and folder, such as `registry.example/durable-c2d` */
  readonly repository: string;
  /** folder of the archives; made if need be */
  readonly output: string;
  readonly report: Report;
}

/** One image under the name by which a cluster asks for it. */
interface NamedImage {
  readonly repository: string;
  readonly tag: string;
}

/**
 * Builds the images of the service and the agent, unless the engine has them, and writes `service.tar`, `agent.tar`
 * and `images.yaml`, the chart's values that name them. A tag is a digest of what is in the image.
 */
export const writeImages = async ({ repository, output, report }: ImagesOptions): Promise<void> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-images-'));
  const engine = await startContainerEngine({ folder, report });
  try {
    await mkdir(output, { recursive: true });
    const { docker } = engine;
    const busyboxPath = (await ensureBusybox(report)).path;
    const image = await save(docker, await ensureServiceImage({ docker, report }), { repository, name: 'service', output });
    const agentImage = await save(docker, await ensureAgentImage({ docker, busyboxPath, report }), { repository, name: 'agent', output });
    // JSON is YAML, too
    await writeFile(path.join(output, 'images.yaml'), `${JSON.stringify({ image, agentImage }, null, 2)}\n`);
    for (const { repository: name, tag } of [image, agentImage]) report(`${name}:${tag}`);
  } finally {
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  }
};

interface Destination {
  readonly repository: string;
  readonly name: string;
  readonly output: string;
}

const save = async (docker: Docker, built: string, { repository, name, output }: Destination): Promise<NamedImage> => {
  const named = { repository: `${repository}/${name}`, tag: built.slice(built.lastIndexOf(':') + 1) };
  await docker.getImage(built).tag({ repo: named.repository, tag: named.tag });
  const archive = await docker.getImage(`${named.repository}:${named.tag}`).get();
  await pipeline(archive, createWriteStream(path.join(output, `${name}.tar`)));
  return named;
};
