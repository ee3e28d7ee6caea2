import { podOutcome, type ContainerState } from '../../../infra/pods/podOutcome.ts';
import type { PodOutcome } from '../../../workflows/contract/pod.ts';

const now = 1_000_000;
const aState = (changes: Partial<ContainerState> = {}): ContainerState => ({
  status: 'running',
  exitCode: 0,
  oomKilled: false,
  startedAtMs: now - 60_000,
  finishedAtMs: 0,
  ...changes,
});
const exited = (exitCode: number, changes: Partial<ContainerState> = {}): ContainerState =>
  aState({ status: 'exited', exitCode, finishedAtMs: now - 30_000, ...changes });
const ended = (exitCode: number, oomKilled: boolean): PodOutcome => ({
  kind: 'ended',
  exitCode,
  oomKilled,
  startedAtMs: now - 60_000,
  finishedAtMs: now - 30_000,
});
const lost = (reason: string): PodOutcome => ({ kind: 'lost', reason: expect.stringContaining(reason) as unknown as string });

describe('podOutcome', () => {
  test.each<[string, ContainerState | undefined, ContainerState | undefined, PodOutcome]>([
    ['both run', aState(), aState(), { kind: 'alive' }],
    ['nothing is there', undefined, undefined, lost('agent')],
    ['the agent is gone, whatever the algorithm shows', undefined, exited(0), lost("the agent's container is gone")],
    ['the algorithm is gone', aState(), undefined, lost("the algorithm's container is gone")],
    ['the agent ended by itself', exited(0), aState(), lost('the agent has ended')],
    ['the agent was given up', exited(1), aState(), lost('failed for good with exit code 1')],
    ['the agent is between two lives', exited(137, { finishedAtMs: now - 500 }), aState(), { kind: 'alive' }],
    ['the agent is being restarted', aState({ status: 'restarting', exitCode: 137 }), aState(), { kind: 'alive' }],
    ['the agent was never started', aState({ status: 'created', startedAtMs: 0 }), aState(), lost('never started')],
    ['the algorithm is about to start', aState(), aState({ status: 'created', startedAtMs: 0 }), { kind: 'alive' }],
    ['the algorithm is paused', aState(), aState({ status: 'paused' }), { kind: 'alive' }],
    ['an unknown word', aState(), aState({ status: 'dreaming' }), { kind: 'alive' }],
    ['the algorithm ended well', aState(), exited(0), ended(0, false)],
    ['the algorithm failed', aState(), exited(3), ended(3, false)],
    ['the engine saw it run out of memory', aState(), exited(1, { oomKilled: true }), ended(1, true)],
    ['an engine that does not tell', aState(), exited(137), ended(137, true)],
    ['Podman says stopped', aState(), exited(143, { status: 'stopped' }), ended(143, false)],
    ['the engine calls it dead', aState(), exited(2, { status: 'dead' }), ended(2, false)],
  ])('%s', (_what, agent, algorithm, outcome) => {
    expect(podOutcome(agent, algorithm, now)).toEqual(outcome);
  });
});
