/** Evictions: whose fault they are. Pure. */

import type { V1PodStatus } from '@kubernetes/client-node';
import type { PodOutcome } from '../../workflows/contract/pod.ts';

/** Texts of the kubelet about a pod that broke a limit of its own. A node that runs low says `The node was low on …`. */
const ownLimits =
  /usage of emptydir volume "[^"]*" exceeds the limit|pod ephemeral local storage usage exceeds|container \S+ exceeded its local ephemeral storage limit/i;

const endedByKubelet = new Set(['Evicted', 'Preempting', 'Shutdown', 'NodeShutdown', 'Terminated']);

/**
 * @returns undefined for a pod that was not evicted. One that used more disk than it asked for is its algorithm's doing
 *   and would do it again; every other eviction is the platform's loss, whatever the exit codes say
 */
export const evictionOutcome = (status: V1PodStatus | undefined): PodOutcome | undefined => {
  const disruption = status?.conditions?.find(({ type, status: isTrue }) => type === 'DisruptionTarget' && isTrue === 'True');
  const isEvicted = endedByKubelet.has(status?.reason ?? '') || disruption !== undefined;
  if (!isEvicted) return undefined;
  if (ownLimits.test(`${status?.message ?? ''} ${disruption?.message ?? ''}`)) {
    return {
      kind: 'failed',
      type: 'OutputsTooLarge',
      message: 'the algorithm used more disk than it was granted; write less, or ask for more disk',
    };
  }
  const low = /was low on resource: ([a-z-]+)/i.exec(status?.message ?? '')?.[1];
  return { kind: 'lost', reason: low === undefined ? 'its node ended it' : `evicted: its node ran low on ${low}` };
};
