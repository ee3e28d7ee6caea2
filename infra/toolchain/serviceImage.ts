/** The image of api, orchestrator and gateway, built without a registry: from this machine's Node and installed packages. */

import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { writeNodeContext } from '../images/node/buildNodeContext.ts';
import { serviceTag, writeServiceContext } from '../images/service/buildServiceContext.ts';
import { temporalNative } from '../images/service/neededFiles.ts';
import { ensureImage, hasImage, type ImageBuild } from './imageBuild.ts';

const project = path.resolve(import.meta.dirname, '../..');
const nodeRecipe = ['Containerfile', 'buildNodeContext.ts'].map((name) => path.join(project, 'infra/images/node', name));

/** Builds need no busybox here. */
type ServiceImageBuild = Omit<ImageBuild, 'busyboxPath'>;

/** The service's image, built unless the engine has it. @returns its name with tag */
export const ensureServiceImage = async ({ docker, report }: ServiceImageBuild): Promise<string> => {
  const tag = await serviceTag();
  // writing the context takes longer than everything else
  if (await hasImage(docker, tag)) return tag;
  const base = await ensureNodeImage({ docker, ...(report !== undefined && { report }) });
  const prepare = async (folder: string) => {
    await writeServiceContext(folder);
    return { tag };
  };
  return ensureImage({ docker, report, name: 'service', prepare, buildArguments: { BUILD_BASE: base, BASE: base } });
};

/** A base with Node from this machine. */
const ensureNodeImage = async ({ docker, report }: ServiceImageBuild): Promise<string> => {
  const hash = createHash('sha256').update(`${process.version} ${process.arch} ${(await stat(process.execPath)).size}\n`);
  for (const file of nodeRecipe) hash.update(await readFile(file));
  const tag = `localhost/durable-c2d/node:${hash.digest('hex').slice(0, 16)}`;
  const prepare = async (folder: string) => {
    await writeNodeContext(folder, [path.join(project, temporalNative())]);
    return { tag };
  };
  return (await hasImage(docker, tag)) ? tag : ensureImage({ docker, report, name: 'node', prepare });
};
