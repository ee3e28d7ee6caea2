/** What people read. */

import type { EnvironmentView } from '../v1/environmentSchemas.ts';
import type { ManifestStatement } from '../../workflows/contract/manifest.ts';
import type { CheckAnswer, JobDetails, JobSummary, Progress } from '../v1/schemas.ts';
import type { ServerEvent } from './eventParser.ts';
import type { CheckedFile } from './manifest.ts';

const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** `1536` is `1.5 kB`. */
export const sizeText = (bytes: number): string => {
  const power = bytes < 1_024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${power === 0 ? bytes : (bytes / 1_024 ** power).toFixed(1)} ${units[power] ?? 'B'}`;
};

const progressText = ({ percent, bytesDone, bytesTotal, filesDone, filesTotal }: Progress): string =>
  [
    ...(percent === null ? [] : [`${percent} %`]),
    `${filesDone}/${filesTotal} files`,
    bytesTotal === null ? sizeText(bytesDone) : `${sizeText(bytesDone)} of ${sizeText(bytesTotal)}`,
  ].join(', ');

interface ToldState {
  readonly phase: string;
  readonly at?: string;
  readonly reason?: string;
  readonly statusText: string;
  readonly progress?: Progress | null;
}

/** One line per event; the end is told by `endText`. */
export const eventText = ({ kind, data }: ServerEvent): string | null => {
  const told = JSON.parse(data) as ToldState;
  if (kind === 'status') return `${told.at?.slice(11, 19) ?? ''} ${told.phase.padEnd(10)} ${told.statusText.trim()}`;
  if (kind !== 'progress') return null;
  const transfer = told.progress ? ` (${progressText(told.progress)})` : '';
  return `         ${told.phase.padEnd(10)} ${told.reason ?? ''}${transfer}`;
};

/** How a job ended, or where it is. */
export const stateText = (job: JobSummary): string => `${job.phase}: ${job.reason === '' ? job.statusText.trim() : job.reason}`;

const secondsText = (seconds: number): string => `${seconds.toFixed(1)} s`;

/** Until when results are there. */
export const keptText = ({ expiresAt }: Pick<JobSummary, 'expiresAt'>): string =>
  expiresAt === null ? 'not ended yet' : `until ${expiresAt}`;

const paymentText = ({ locked, cost, token, chainId }: NonNullable<JobDetails['payment']>): string =>
  `${cost === null ? `${locked} base units are locked` : `${cost} of ${locked} base units were taken`}, token ${token} on chain ${chainId}`;

const assetText = ({ state, did, reason }: NonNullable<JobDetails['asset']>): string =>
  [state, did === null ? '' : ` as ${did}`, reason === null ? '' : `: ${reason}`].join('');

/** Everything about a job. */
export const detailText = (job: JobDetails): string =>
  [
    `job          ${job.id}`,
    `environment  ${job.environment}${job.free ? ' (free)' : ''}`,
    `state        ${job.phase} (${job.status} ${job.statusText.trim()})`,
    `reason       ${job.reason}`,
    ...(job.queue === null ? [] : [`queue        ${job.queue.ahead}${job.queue.orMore ? ' or more' : ''} ahead`]),
    ...(job.progress === null ? [] : [`progress     ${progressText(job.progress)}`]),
    ...(job.termination === null
      ? []
      : [`exit code    ${job.termination.exitCode ?? 'none'}${job.termination.outOfMemory ? ', out of memory' : ''}`]),
    ...(job.refusal === null ? [] : [`refused      ${job.refusal.code}: ${job.refusal.cause}`, `hint         ${job.refusal.hint}`]),
    ...(job.payment === null ? [] : [`payment      ${paymentText(job.payment)}`]),
    ...(job.asset === null ? [] : [`asset        ${assetText(job.asset)}`]),
    `time         ${secondsText(job.timing.totalSeconds)}`,
    ...job.timing.phases.map(({ phase, seconds }) => `  ${phase.padEnd(10)} ${secondsText(seconds)}`),
    `results      ${job.results.length}`,
    ...(job.expiresAt === null ? [] : [`kept         ${keptText(job)}`]),
    ...(job.resultsCid === null ? [] : [`in IPFS      ${job.resultsCid}`]),
  ].join('\n');

/** One line per job. */
export const listText = (jobs: readonly JobSummary[]): string =>
  jobs.map((job) => `${job.id}  ${job.createdAt}  ${job.environment}  ${stateText(job)}`).join('\n');

/** One line per file. */
export const resultsText = (results: JobDetails['results']): string =>
  results
    .map(
      ({ index, name, sizeBytes, sha256, cid }) => `${index}  ${name}  ${sizeText(sizeBytes)}  ${sha256}${cid === null ? '' : `  ${cid}`}`,
    )
    .join('\n');

const offerText = (kind: string, offer: EnvironmentView['paid']): string =>
  `  ${kind}: ${offer.resources.map(({ id, max }) => `${id} ≤ ${max}`).join(', ')}; ${offer.maxJobDuration} s; ` +
  `${offer.runningJobs} of ${offer.maxJobs} places taken, ${offer.queuedJobs} waiting`;

const offeredPriceText = ({ chainId, token, perMinute }: EnvironmentView['prices'][number]): string => {
  const named = perMinute.filter(({ price }) => price > 0).map(({ resource, price }) => `${resource} ${price}`);
  return named.length === 0
    ? `  no price in ${token} on chain ${chainId}`
    : `  price of a unit and minute: ${named.join(', ')}; --pay ${chainId},${token}`;
};

/** A few lines per environment. */
export const environmentsText = (environments: readonly EnvironmentView[]): string =>
  environments
    .flatMap(({ id, description, paid, free, prices }) => [
      `${id}${description === '' ? '' : `  ${description}`}`,
      offerText('paid', paid),
      ...(free === null ? [] : [offerText('free', free)]),
      ...prices.map(offeredPriceText),
    ])
    .join('\n');

const tokensText = (baseUnits: string, decimals: number): string => {
  const digits = baseUnits.padStart(decimals + 1, '0');
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  return `${digits.slice(0, digits.length - decimals)}${decimals === 0 || fraction === '' ? '' : `.${fraction}`}`;
};

const priceText = (price: CheckAnswer['price']): readonly string[] =>
  price === null
    ? []
    : [
        `price: at most ${tokensText(price.amount, price.decimals)} tokens (${price.amount} base units) of ${price.token} on chain ${price.chainId}`,
        `  deposit them in the escrow contract ${price.escrowAddress} and authorize ${price.payee} there`,
        `  for as much, at least ${price.minLockSeconds} s and one lock more than you have; the run's price is taken, the rest is given back`,
      ];

/** The verdict of a check, a reason a line, and what the job costs. */
export const checkText = ({ accepted, reasons, price }: CheckAnswer): string => {
  const verdict = accepted
    ? ['would be accepted']
    : ['would be refused:', ...reasons.flatMap(({ code, cause, hint }) => [`  ${code}: ${cause}`, `    ${hint}`])];
  return [...verdict, ...priceText(price)].join('\n');
};

/** What a good signature says, and how each file compares. */
export const verifiedText = ({ predicate }: ManifestStatement, signer: string, files: readonly CheckedFile[]): string =>
  [
    `signed by    ${signer}`,
    `job          ${predicate.job.id}: ${predicate.job.status} ${predicate.job.reason}`,
    `consumer     ${predicate.consumer}`,
    `image        ${predicate.algorithm.image.reference}`,
    ...files.map(({ verdict, file }) => `${verdict.padEnd(12)} ${file}`),
  ].join('\n');
