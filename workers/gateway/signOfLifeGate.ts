/** Lets a pod's signs of life through at a bounded rate: an algorithm that writes a lot makes its agent send a lot. */

import { phaseActivityId } from '../../workflows/contract/ids.ts';
import type { AgentPhase, PodRef } from '../../workflows/contract/job.ts';

/** Bounds what one process forwards; another replica has a gate of its own, which does no harm. */
export interface SignOfLifeGate {
  /** True when the phase's last sign of life that went through is old enough; the caller then forwards this one. */
  open(pod: PodRef, phase: AgentPhase): boolean;
  /** The last one did not arrive: the next one may go at once. */
  reopen(pod: PodRef, phase: AgentPhase): void;
}

const rememberedPhases = 20_000;

/** @param everyMs least time between two of one phase; well below the interval in which agents are expected */
export const createSignOfLifeGate = (everyMs: number, now: () => number): SignOfLifeGate => {
  const last = new Map<string, number>();
  const keyOf = (pod: PodRef, phase: AgentPhase): string => `${pod.jobId}/${phaseActivityId(phase, pod)}`;
  return {
    open(pod, phase) {
      const key = keyOf(pod, phase);
      const time = now();
      if (time - (last.get(key) ?? -Infinity) < everyMs) return false;
      if (last.size >= rememberedPhases) last.clear();
      last.set(key, time);
      return true;
    },
    reopen: (pod, phase) => void last.delete(keyOf(pod, phase)),
  };
};
