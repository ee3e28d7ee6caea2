/** What a stack has asked the cluster to do with the pods of its jobs. */

import { readFile } from 'node:fs/promises';

import { podName } from '../../workflows/contract/ids.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { KubernetesPlace } from './kubernetesJobPods.ts';
import { clusterOfThisRun } from './testCluster.ts';

interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly namespace?: string; readonly name?: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code?: number };
}

const accounts = 'system:serviceaccount:';

/**
 * Requests of the stack's service accounts about one pod by its name, in their order, as `verb` or `verb/subresource`.
 * @throws Error where the cluster writes none down
 */
export const podRequestsOf = async ({ namespace }: KubernetesPlace, pod: PodRef): Promise<readonly string[]> => {
  const { auditLog } = await clusterOfThisRun();
  if (auditLog === undefined) throw new Error('this cluster does not write requests down');
  const events = (await readFile(auditLog, 'utf8'))
    .split('\n')
    // the last line may be half written
    .slice(0, -1)
    .map((line) => JSON.parse(line) as AuditEvent);
  return events
    .filter(({ user, objectRef }) => user.username.startsWith(`${accounts}${namespace}:`) && objectRef?.namespace === namespace)
    .filter(({ objectRef }) => objectRef?.name === podName(pod))
    .map(({ verb, objectRef }) => (objectRef?.subresource === undefined ? verb : `${verb}/${objectRef.subresource}`));
};
