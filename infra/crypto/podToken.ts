/** The bearer token of a pod's agent: derived, so it is stored nowhere and never enters a history. */

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { Keyring } from './keyring.ts';

const purpose = 'pod-token';
const shape = /^([0-9a-f]{32})\.([1-9][0-9]{0,3})\.([A-Za-z0-9_-]{43})$/;

/** Makes and reads tokens. A token says which pod speaks; whether that attempt is current, the ledger says. */
export interface PodTokens {
  /** @returns `<jobId>.<podAttempt>.<base64url of HMAC-SHA256>` */
  tokenOf(pod: PodRef): string;
  /** @returns the pod, or null for anything that no key of ours has signed; takes the same time for every wrong MAC */
  read(token: string): PodRef | null;
}

/** The keyring's first key signs, all verify. */
export const createPodTokens = (keyring: Keyring): PodTokens => {
  const keys = keyring.derive(purpose);
  const macOf = (key: Buffer, { jobId, podAttempt }: PodRef): Buffer => createHmac('sha256', key).update(`${jobId}/${podAttempt}`).digest();
  return {
    tokenOf(pod) {
      const [key] = keys;
      if (key === undefined) throw new Error('a keyring has at least one key');
      return `${pod.jobId}.${pod.podAttempt}.${macOf(key, pod).toString('base64url')}`;
    },
    read(token) {
      const [, jobId, attempt, mac] = shape.exec(token) ?? [];
      if (jobId === undefined || mac === undefined) return null;
      const pod = { jobId, podAttempt: Number(attempt) };
      const given = Buffer.from(mac, 'base64url');
      return keys.some((key) => timingSafeEqual(macOf(key, pod), given)) ? pod : null;
    },
  };
};
