/** The image of the agent: the trusted program beside every algorithm. */

import { agentContext } from '../images/agent/buildAgentContext.ts';
import { ensureImage, type ImageBuild } from './imageBuild.ts';

/** The agent's image, built unless the engine has it. @returns its name with tag */
export const ensureAgentImage = ({ docker, busyboxPath, report }: ImageBuild): Promise<string> =>
  ensureImage({ docker, report, name: 'agent', prepare: (folder) => agentContext(folder, { busyboxPath }) });
