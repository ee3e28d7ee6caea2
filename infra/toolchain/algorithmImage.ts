/** The image that algorithms of the demo and the tests run in. */

import { nodeAlgorithmContext, nodeAlgorithmTag } from '../images/node-algorithm/buildNodeAlgorithmContext.ts';
import { ensureImage, hasImage, type ImageBuild } from './imageBuild.ts';

/**
 * An image for algorithms in JavaScript: `node` and `sh`, nothing else.
 * @param user `USER` of the image; none by default
 * @returns its name with tag, under `localhost/`: no registry is ever asked for it
 */
export const ensureNodeAlgorithmImage = async ({ docker, busyboxPath, report }: ImageBuild, user?: string): Promise<string> => {
  const image = { busyboxPath, ...(user !== undefined && { user }) };
  const tag = await nodeAlgorithmTag(image);
  if (await hasImage(docker, tag)) return tag;
  return ensureImage({ docker, report, name: 'algorithm', prepare: (folder) => nodeAlgorithmContext(folder, image) });
};
