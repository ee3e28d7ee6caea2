/** What the owner of a job sees of it on the REST surface. */

import { verifyManifest } from '../../api/cli/manifest.ts';
import type { JobDetails } from '../../api/v1/schemas.ts';
import type { ManifestStatement } from '../../workflows/contract/manifest.ts';
import type { Scene } from './scene.ts';

type Owner = Pick<Scene, 'consumer' | 'stack'>;

/** Asks for something below `/api/v1/`, as the scene's consumer. */
export const askAsOwner = async ({ consumer, stack }: Owner, place: string, init: RequestInit = {}): Promise<Response> => {
  const headers = { authorization: `Bearer ${await consumer.generateAuthToken()}`, 'content-type': 'application/json' };
  return fetch(`${stack.apiUrl}/api/v1/${place}`, { ...init, headers });
};

export const readDetails = async (owner: Owner, jobId: string): Promise<JobDetails> =>
  (await (await askAsOwner(owner, `jobs/${jobId}`)).json()) as JobDetails;

/** Fails unless its signature is good. */
export const readManifest = async (owner: Owner, jobId: string): Promise<ManifestStatement> =>
  verifyManifest(await (await askAsOwner(owner, `jobs/${jobId}/manifest`)).text()).statement;
