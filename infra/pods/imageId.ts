/** Which image a pod's algorithm runs in, in one form for all runtimes. Pure. */

import type { PodOutcome } from '../../workflows/contract/pod.ts';

const digest = /(?:^|@)(sha256:[0-9a-f]{64})$/;
const bareId = /^[0-9a-f]{64}$/;

/**
 * @param imageId `sha256:…` (Docker), bare hex (Podman), `name@sha256:…` (a kubelet)
 * @returns the same outcome with the digest or id, where there is one and the algorithm could begin
 */
export const withImage = (outcome: PodOutcome, imageId: string | undefined): PodOutcome => {
  if (outcome.kind === 'failed') return outcome;
  const image = bareId.test(imageId ?? '') ? `sha256:${imageId}` : digest.exec(imageId ?? '')?.[1];
  return image === undefined ? outcome : { ...outcome, image };
};
