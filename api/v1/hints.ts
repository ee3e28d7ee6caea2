/** What each failure is called, and what to do about it. */

import type { FailureType } from '../../workflows/contract/failures.ts';

/** Refusals of this surface that are no failures of a job. */
export type SurfaceCode =
  | 'EnvironmentUnknown'
  | 'EnvironmentUnavailable'
  | 'FreeJobsNotOffered'
  | 'NotEnoughResources'
  | 'Unauthorized'
  | 'NotFound'
  | 'MethodNotAllowed'
  | 'IdempotencyKeyReused'
  | 'JobNotEnded'
  | 'ResultsExpired'
  | 'ResultsPublished'
  | 'BodyTooLarge'
  | 'UnsupportedEncoding'
  | 'RangeNotSatisfiable'
  | 'TooManyRequests'
  | 'InternalError';

/** Every code that a problem or a reason may carry. */
export type ProblemCode = FailureType | SurfaceCode;

/** `title` is the same for every problem of a code; `hint` says what to do. */
export interface CodeText {
  readonly title: string;
  readonly hint: string;
}

const again = 'Nothing is wrong with the request: send it again later, with the same Idempotency-Key.';
const operator = 'Tell the operator of the service; a new start later may succeed.';

/** Texts by code. */
export const codeTexts: Readonly<Record<ProblemCode, CodeText>> = {
  RequestInvalid: { title: 'The request is malformed or against a rule', hint: 'Correct what the cause names and send it again.' },
  AssetNotFound: { title: 'The asset is unknown', hint: 'Check the DID, and that its chain is among those that the service serves.' },
  ServiceNotFound: { title: 'The asset has no such service', hint: 'Use the id of one of its services.' },
  AssetNotConsumable: { title: 'The asset is not offered at present', hint: 'Ask its publisher; the state of the asset forbids its use.' },
  AccessDenied: { title: 'Access is denied', hint: 'Ask the publisher or operator to add your address to the list that the cause names.' },
  OrderMissing: {
    title: 'An order is missing',
    hint: 'Order the service on chain and send the transaction as transferTxId, or ask for a free job.',
  },
  OrderInvalid: { title: 'The order is not good', hint: 'Order the service again, or reuse the order to pay new provider fees.' },
  OrderPending: {
    title: 'The order is too young',
    hint: 'Wait for the confirmations that the cause names and send the same request again.',
  },
  PaymentInvalid: {
    title: 'The payment is not good',
    hint: 'Name chain and token in payment, deposit the amount in the escrow contract and authorize the payee, as the check tells.',
  },
  AgreementInUse: { title: 'The order carries an unfinished job', hint: 'Wait until that job has ended, stop it, or order again.' },
  AlgorithmNotTrusted: {
    title: 'The dataset does not trust the algorithm',
    hint: 'Use an algorithm that the dataset names, or ask its publisher to trust this one.',
  },
  RawAlgorithmNotAllowed: {
    title: 'The dataset takes published algorithms only',
    hint: 'Publish the algorithm and ask the publisher of the dataset to trust it.',
  },
  FilesNotOurs: {
    title: 'The files are for another provider',
    hint: 'Use the provider that the asset names, or have it published for this one.',
  },
  ChainUnavailable: { title: 'A chain cannot be asked', hint: again },
  TransactionPending: { title: 'A transaction is not mined yet', hint: again },
  TransactionReverted: { title: 'A contract refuses a transaction of the service', hint: operator },
  KeyNeedsFunds: { title: "The service's key cannot pay for gas", hint: operator },
  QueueTimedOut: { title: 'No place became free in time', hint: 'Start again with a longer queueMaxWaitTime, or in another environment.' },
  NoCapacity: { title: 'All places are taken', hint: 'Send queueMaxWaitTime to wait for a place, or choose another environment.' },
  ImageUnavailable: { title: 'The image cannot be had', hint: 'Check name, tag and checksum of the image, and that it is public.' },
  ImagePullFailed: { title: 'The registry does not answer', hint: again },
  VolumeFailed: { title: 'A volume cannot be made', hint: operator },
  ContainerFailed: { title: 'The container cannot be made', hint: operator },
  QuotaExceeded: { title: 'The cluster is full', hint: again },
  ClusterMisconfigured: { title: 'The cluster refuses the pod', hint: operator },
  PodConflict: { title: 'A name is taken', hint: operator },
  RuntimeUnavailable: { title: 'The runtime does not answer', hint: again },
  PodUnsealed: { title: 'Isolation could not be proved', hint: operator },
  PodLost: { title: 'The pod was lost', hint: 'The platform lost the job; start it again under a new key.' },
  PodChanged: { title: 'The pod changed', hint: again },
  InputUnavailable: { title: 'A file cannot be had', hint: 'The server of the file does not answer; try again later.' },
  InputTooLarge: { title: 'The inputs are too large', hint: 'Use smaller datasets, or an environment that takes more.' },
  AlgorithmUnavailable: { title: 'The algorithm cannot be had', hint: 'Check that its files can be downloaded.' },
  AlgorithmChecksumMismatch: {
    title: 'The algorithm was changed',
    hint: 'Its files are not those that the dataset trusts; ask its publisher.',
  },
  AlgorithmOutOfMemory: { title: 'The algorithm needs more memory', hint: 'Ask for more ram, or choose an environment that has more.' },
  OutputsTooLarge: { title: 'The outputs are too large', hint: 'Write less, or ask for more disk.' },
  OutputsWithheld: {
    title: 'The outputs are withheld',
    hint: 'Write what the rule that the cause names lets out, or ask who made the rule.',
  },
  FilterFailed: { title: 'The outputs could not be filtered', hint: operator },
  OutputsUnreadable: { title: 'The outputs cannot be read', hint: operator },
  OutputTargetRefused: {
    title: 'The storage of output does not take the outputs',
    hint: 'Correct endpoint, bucket, key or credentials in output, or leave it out and fetch the results here.',
  },
  OutputTargetUnavailable: {
    title: 'The storage of output does not answer',
    hint: 'Check its endpoint and try again later, or leave output out and fetch the results here.',
  },
  StorageRefused: { title: 'The storage refuses the results', hint: operator },
  StorageUnavailable: { title: 'The storage does not answer', hint: again },
  PhaseTimedOut: { title: 'A phase took too long', hint: 'Start the job again; tell the operator if it happens twice.' },
  ServiceUnavailable: { title: 'The service is not available', hint: again },
  EnvironmentUnknown: { title: 'The environment is unknown', hint: 'Use an id of GET /api/v1/environments.' },
  EnvironmentUnavailable: {
    title: 'The environment is not offered now',
    hint: 'Try again in a few minutes, or choose another environment.',
  },
  FreeJobsNotOffered: {
    title: 'The environment has no free jobs',
    hint: 'Choose an environment whose "free" is not null, or order the assets.',
  },
  NotEnoughResources: { title: 'The environment gives less', hint: 'Ask for what the cause names at most, or choose another environment.' },
  Unauthorized: {
    title: 'The token is missing or not good',
    hint: 'Get a token from POST /api/services/auth/token and send it as "Authorization: Bearer …".',
  },
  NotFound: { title: 'Not found', hint: 'Check the path and the id; jobs are shown to their owner only.' },
  MethodNotAllowed: { title: 'The method is not allowed', hint: 'Use a method of the Allow header.' },
  IdempotencyKeyReused: { title: 'The key belongs to another request', hint: 'Use a new Idempotency-Key for a new request.' },
  JobNotEnded: { title: 'The job has not ended', hint: 'Wait for its end, or stop it.' },
  ResultsPublished: {
    title: 'The results are the files of an asset',
    hint: 'They stay as long as the asset does; its owner ends or limits its use on chain.',
  },
  ResultsExpired: {
    title: 'The results are gone',
    hint: 'Start the job again; keep results longer with PUT …/retention before their time is over.',
  },
  BodyTooLarge: {
    title: 'The body is too large',
    hint: 'Send less than the cause names; large code belongs into an image or behind a url.',
  },
  UnsupportedEncoding: { title: 'The encoding is not supported', hint: 'Send UTF-8 JSON, uncompressed or as gzip, deflate or br.' },
  RangeNotSatisfiable: { title: 'The range is behind the end', hint: 'Ask for a range within the size that Content-Range names.' },
  TooManyRequests: { title: 'Too many requests', hint: 'Wait for as many seconds as Retry-After names.' },
  InternalError: { title: 'The service failed', hint: 'Tell the operator of the service the requestId.' },
};

/** True for a code of this table. */
export const isProblemCode = (text: string): text is ProblemCode => Object.hasOwn(codeTexts, text);
