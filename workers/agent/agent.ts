/** One pod's life as its agent drives it: stage, open the gate, follow, publish. */

import { chmod, mkdir, stat } from 'node:fs/promises';
import type { Plan } from '../gateway/protocol.ts';
import { followAlgorithm, quotaExit, watchOutputs, type Beginning, type FollowedAlgorithm } from './algorithm.ts';
import type { Gateway } from './client.ts';
import { endAtOnce, endBeforeRun, endUnheard, followEnding, whileAskingForLooks, type ClusterLife } from './cluster.ts';
import { startEvents, type EventSender } from './events.ts';
import { failForGood, PhaseFailure } from './failures.ts';
import { JobOver, type GatewayAddress } from './http.ts';
import { filterOutputs } from './filtering.ts';
import { abandonFilters, awaitFilters, openFilters, type FilterPlace, type OpenFilter } from './filters.ts';
import { openLog, type AlgorithmLog } from './log.ts';
import { scanOutputs } from './outputs.ts';
import { logWithheldBy } from './outputRules.ts';
import { abandonAlgorithm, openPipes, type Pipes } from './pipes.ts';
import { createProgress, enterPhase, type Progress } from './progress.ts';
import { publish, type PublishDeps } from './publish.ts';
import { openRedaction, redacted } from './redaction.ts';
import { findSealBreach } from './seal.ts';
import { untilStaged } from './staging.ts';
import { openState, type AgentState, type AlgorithmExit, type StateFile } from './state.ts';

/** What {@link runAgent} needs. */
export interface AgentDeps {
  readonly gateway: Gateway;
  /** where the gateway is, to compare other addresses with */
  readonly address: GatewayAddress;
  readonly dataFolder: string;
  readonly controlFolder: string;
  readonly filters: readonly FilterPlace[];
  readonly filtersFolder: string;
  /** present on a cluster */
  readonly cluster?: ClusterLife;
}

/** Everything of one run. */
interface Run extends AgentDeps {
  readonly plan: Plan;
  readonly openedFilters: readonly OpenFilter[];
  readonly pipes: Pipes;
  /** what keeps the pod from being sealed, once it is known; absent when the gate was opened in an earlier life */
  readonly breachFound: Promise<string | undefined> | undefined;
  readonly stateFile: StateFile;
  readonly progress: Progress;
  readonly events: EventSender;
  readonly log: AlgorithmLog;
  readonly redact: Awaited<ReturnType<typeof openRedaction>>;
  /** aborted when the job is being cancelled before its algorithm ran */
  readonly cancelled: AbortSignal;
}

/**
 * Drives the pod to its end, from wherever an earlier life of this agent left it.
 * @returns once the outputs are published and the gateway knows it, or once the job is over
 * @throws whatever makes another life of the agent worth trying
 */
export const runAgent = async (deps: AgentDeps): Promise<void> => {
  const over = Promise.withResolvers<never>();
  try {
    const unheard = deps.cluster === undefined ? [] : [endUnheard(deps.cluster)];
    await Promise.race([drive(deps, () => over.reject(new JobOver())), over.promise, ...unheard]);
  } catch (err) {
    if (!(err instanceof JobOver)) throw err;
    if (deps.cluster === undefined) return;
    // a pod that is being ended with a long grace cannot be hurried any more: it ends when all its containers have
    abandonAlgorithm(deps.controlFolder);
    abandonFilters(deps.filters, deps.filtersFolder);
  }
};

const drive = async (deps: AgentDeps, onOver: () => void): Promise<void> => {
  const { dataFolder, controlFolder, gateway } = deps;
  const stateFile = openState(`${controlFolder}/agent-state.json`);
  const { state } = stateFile;
  const planned = Promise.race([gateway.plan(), ...(deps.cluster === undefined ? [] : [endAtOnce(deps.cluster)])]);
  const waiting = state.filtered === null ? deps.filters : [];
  const opened = openFilters(waiting, deps.filtersFolder, state.released);
  const [plan, pipes, openedFilters] = await Promise.all([planned, openPipes(controlFolder), opened]);
  // it takes the longest of all that comes before the gate
  const breachFound = state.released ? undefined : findSealBreach(plan.seal, deps.address);
  await Promise.all(
    ['inputs', 'transformations', 'ddos', 'logs', 'outputs'].map((name) => mkdir(`${dataFolder}/${name}`, { recursive: true })),
  );
  await openToEverybody(`${dataFolder}/outputs`);
  const progress = createProgress();
  const cancelled = new AbortController();
  const events = startEvents({
    gateway,
    stateFile,
    progress,
    heartbeatSeconds: plan.heartbeatSeconds,
    onOver,
    onStop: () => state.released || cancelled.abort(new PhaseFailure('PodChanged', 'the job is being cancelled', false)),
  });
  const redact = await openRedaction(plan.outputRules);
  const withheldBy = logWithheldBy(plan.outputRules);
  const log = await openLog({
    path: `${dataFolder}/logs/algorithm.log`,
    maxBytes: plan.limits.logBytes,
    isCut: state.logCut || withheldBy !== undefined,
    onCut() {
      state.logCut = true;
      stateFile.save();
    },
    onGrowth: events.poke,
  });
  if (withheldBy !== undefined && log.size() === 0) await log.note(`the log is withheld by the output policy of ${withheldBy}`);
  events.attach(log);
  const run: Run = {
    ...deps,
    plan,
    pipes,
    openedFilters,
    breachFound,
    stateFile,
    progress,
    events,
    log,
    redact,
    cancelled: cancelled.signal,
  };
  const { cluster } = deps;
  const hasEnded = (): boolean => state.exit !== null;
  const ending =
    cluster && followEnding(gateway, cluster, { hasEnded: () => hasEnded() || !state.released, kill: () => pipes.killAlgorithm() });
  if (!hasEnded()) {
    const ran = runAlgorithm(run);
    const before = cluster === undefined ? [] : [endBeforeRun(gateway, cluster, () => state.released)];
    // nothing of the run is waited for any more once the job goes on elsewhere
    await Promise.race([ran, ...before, ...(ending === undefined ? [] : [ending.notNeeded])]);
  }
  // bytes may travel while the gateway hands the exit over; only the word that all are there must come after it
  const wasEnded = ending?.wasFirst() === true;
  const exitReported = wasEnded ? ending.publishingAwaited : reportExit(run);
  const published = filterOutputs(openedFilters, run).then(() => publish({ ...run, exitReported, ...(wasEnded && stoppedExitOf(state)) }));
  await Promise.all([exitReported, published]);
};

const stoppedExitOf = ({ exit }: AgentState): Pick<PublishDeps, 'stoppedExit'> =>
  exit === null || exit === 'unknown' ? {} : { stoppedExit: { exitCode: exit.exitCode, finishedAtMs: exit.finishedAtMs } };

/** A folder that somebody else owns was opened by whoever made it. */
const openToEverybody = async (folder: string): Promise<void> => {
  const { uid } = await stat(folder);
  if (uid === process.getuid?.()) await chmod(folder, 0o777);
};

/** Stages, lets the algorithm go and waits for its end, which is then in the state. */
const runAlgorithm = async (run: Run): Promise<void> => {
  const { stateFile, gateway, pipes, log, progress } = run;
  const { state } = stateFile;
  let overQuota = false;
  const isWrapperGone = state.released && !pipes.wrapperIsThere;
  const algorithm = followAlgorithm(pipes, stateFile, () => overQuota);
  const pumped = isWrapperGone ? Promise.resolve() : log.pump(redacted(pipes.log, run.redact));
  if (!state.released) await release(run, algorithm);
  else if (!isWrapperGone && state.startedAtMs === null) pipes.openGate(state.nonce);
  const reported = gateway.report({ outcome: 'done', phase: 'stageInputs', result: state.staged ?? { files: 0, bytes: 0 } });
  enterPhase(progress, 'runAlgorithm');
  const watch = watchOutputs(`${run.dataFolder}/outputs`, run.plan.limits, () => {
    overQuota = true;
    pipes.killAlgorithm();
  });
  const followed = (async () => {
    await algorithm.began;
    void run.events.flush();
    state.exit = await algorithm.ended;
    watch.stop();
    state.exit = await withFinalQuota(run, state.exit);
    stateFile.save();
    await pumped;
  })();
  await Promise.all([reported, followed]);
};

/** What was written since the last look counts too. */
const withFinalQuota = async ({ dataFolder, plan }: Run, exit: AlgorithmExit | 'unknown'): Promise<AlgorithmExit | 'unknown'> => {
  if (exit === 'unknown' || exit.end !== 'ran') return exit;
  const { outputBytes, outputFiles } = plan.limits;
  const { exceeded } = await scanOutputs(`${dataFolder}/outputs`, { maxBytes: outputBytes, maxFiles: outputFiles });
  return exceeded === undefined ? exit : quotaExit(exit.exitCode, exit.startedAtMs, exit.finishedAtMs);
};

/** After the call the gate is open, or the phase has failed for good and the pod waits for its removal. */
const release = async (run: Run, algorithm: FollowedAlgorithm): Promise<void> => {
  const { stateFile, pipes, gateway, cancelled } = run;
  const { state } = stateFile;
  state.staged = await untilStaged(run);
  const breach = await run.breachFound;
  if (breach !== undefined) return failForGood(gateway, 'stageInputs', new PhaseFailure('PodUnsealed', breach, false));
  const arrival: Promise<Beginning | undefined> = Promise.race([algorithm.began, algorithm.arrived.then(() => undefined)]);
  const arrivals = Promise.all([arrival, awaitFilters(run.openedFilters)]);
  const [first, absence] = await (run.cluster === undefined ? arrivals : whileAskingForLooks(gateway, arrivals));
  if (absence !== undefined) return failForGood(gateway, 'stageInputs', new PhaseFailure(absence.type, absence.message, false));
  if (first?.kind === 'unsealed') return failForGood(gateway, 'stageInputs', unsealedFailure(first.why));
  if (cancelled.aborted) return failForGood(gateway, 'stageInputs', cancelled.reason as PhaseFailure);
  state.released = true;
  state.releasedAtMs = Date.now();
  stateFile.save();
  pipes.openGate(state.nonce);
};

const unsealedFailure = (why: string): PhaseFailure =>
  new PhaseFailure(
    'PodUnsealed',
    why === 'root' || why === 'uid'
      ? 'the algorithm would run as a privileged user, so it was not started'
      : `the algorithm could reach a network (${why}), so it was not started`,
    false,
  );

const reportExit = async ({ gateway, stateFile, filters }: Run): Promise<void> => {
  const { state } = stateFile;
  if (state.exitReported) return;
  await gateway.report(
    state.exit === 'unknown' || state.exit === null
      ? { outcome: 'exitUnknown', phase: 'runAlgorithm' }
      : { outcome: 'done', phase: 'runAlgorithm', result: state.exit, ...(filters.length > 0 && { filtering: true }) },
  );
  state.exitReported = true;
  stateFile.save();
};
