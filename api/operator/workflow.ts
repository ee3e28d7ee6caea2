/** Workflow bodies of Providers: what is checked in them, and the job that they ask for. Operator-Service API §3 and §8. */

import type { AlgorithmContainer, AlgorithmRequest, DatasetRequest } from '../../workflows/contract/spec.ts';
import { isJsonObject } from '../losslessJson.ts';
import { Refusal } from '../problems.ts';
import { readLegacyAsset, type AskedAsset } from '../publishing.ts';
import { exactText, readName, type Data } from './callData.ts';

/** The job of a workflow. */
export interface WorkflowJob {
  readonly datasets: readonly DatasetRequest[];
  readonly algorithm: AlgorithmRequest;
  /** as status objects tell it: empty for a Provider's raw algorithm, `raw` where no id was sent */
  readonly algorithmDid: string;
  readonly metadataUri: string | null;
  /** null where none is asked for */
  readonly asset: AskedAsset | null;
}

/** What the old service took for nothing. */
const isNothing = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  ['', 0, false].includes(value as never) ||
  (Array.isArray(value) && value.length === 0) ||
  (isJsonObject(value) && Object.keys(value).length === 0);

/** @throws Refusal 400 */
export const requireWorkflow = (workflow: unknown): void => {
  if (isNothing(workflow)) throw new Refusal(400, '`workflow` is required in the payload and must include workflow stages');
};

/** @returns the only stage @throws Refusal 400 */
export const requireStage = (workflow: unknown): Data => {
  const stages = isJsonObject(workflow) ? workflow['stages'] : null;
  if (!Array.isArray(stages) || stages.length === 0) throw new Refusal(400, 'Missing stages');
  if (stages.length > 1) throw new Refusal(400, 'Multiple stages are not supported yet');
  const stage: unknown = stages[0];
  const missing = ['algorithm', 'compute', 'input', 'output'].find((part) => !isJsonObject(stage) || !Object.hasOwn(stage, part));
  if (missing !== undefined || !isJsonObject(stage)) throw new Refusal(400, `Missing ${missing ?? 'algorithm'} in stage 0`);
  return stage;
};

const mostInputs = 100;
const mostUrls = 1_000;

const malformed = (what: string): Refusal => new Refusal(400, `Malformed ${what} in stage 0`);

/** One address or a list of them; null for none. */
const readUrls = (value: unknown, what: string): readonly object[] | null => {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (isNothing(value)) return null;
  if (list.length > mostUrls || !list.every((url) => typeof url === 'string')) throw malformed(what);
  return list.map((url) => ({ type: 'url', url, method: 'GET' }));
};

const readRemote = (remote: unknown, what: string) => {
  if (isNothing(remote)) return null;
  const data = isJsonObject(remote) ? remote : {};
  const [serviceId, transferTxId] = [readName(data['serviceId']), readName(data['txId'])];
  if (serviceId === null || transferTxId === null) throw malformed(`${what}.remote`);
  return { serviceId, transferTxId, userdata: data['userdata'] ?? data['userData'] ?? null };
};

/** Ids lead to documents and folders: what is no name is refused. */
const readId = (id: unknown, what: string): string | null => {
  if (isNothing(id)) return null;
  const name = readName(id);
  if (name === null) throw malformed(`${what}.id`);
  return name;
};

/** Files at addresses are taken as they are; the others are fetched from a Provider. Neither: the job fails where it fetches. */
const readInput = (value: unknown, position: number): DatasetRequest => {
  const what = `input ${position}`;
  if (!isJsonObject(value)) throw malformed(what);
  const fileObject = readUrls(value['url'], `${what}.url`);
  const remote = fileObject === null ? readRemote(value['remote'], what) : null;
  return {
    documentId: readId(value['id'], what),
    serviceId: remote?.serviceId ?? null,
    transferTxId: remote?.transferTxId ?? null,
    userdata: remote?.userdata ?? null,
    fileObject,
  };
};

const readContainer = (value: unknown): AlgorithmContainer => {
  const container = isJsonObject(value) ? value : {};
  const part = (name: string): string => exactText(container[name]) ?? '';
  return { entrypoint: part('entrypoint'), image: part('image'), tag: part('tag'), checksum: part('checksum') };
};

const readAlgorithm = (value: unknown): AlgorithmRequest => {
  if (!isJsonObject(value)) throw malformed('algorithm');
  const { rawcode, container, algocustomdata, algouserdata } = value;
  const code = typeof rawcode === 'string' && rawcode !== '' ? rawcode : null;
  const fileObject = code === null ? readUrls(value['url'], 'algorithm.url') : null;
  const remote = code === null && fileObject === null ? readRemote(value['remote'], 'algorithm') : null;
  return {
    documentId: readId(value['id'], 'algorithm'),
    serviceId: remote?.serviceId ?? null,
    transferTxId: remote?.transferTxId ?? null,
    userdata: remote === null ? null : (remote.userdata ?? algouserdata ?? null),
    raw: { rawcode: code, url: null, fileObject, container: readContainer(container) },
    algocustomdata: algocustomdata ?? null,
    envs: {},
  };
};

const readAsset = (output: unknown): AskedAsset | null => {
  try {
    return readLegacyAsset(output);
  } catch {
    throw malformed('output');
  }
};

/**
 * @param stage with plain numbers
 * @param makesAssets whether what `output` says of an asset counts; it is ignored otherwise
 * @throws Refusal 400 for what no Provider sends
 */
export const readWorkflowJob = (stage: Data, makesAssets: boolean): WorkflowJob => {
  const { input, output, algorithm } = stage;
  if (!Array.isArray(input) || input.length > mostInputs) throw malformed('input');
  const hasId = isJsonObject(algorithm) && Object.hasOwn(algorithm, 'id');
  const read = readAlgorithm(algorithm);
  return {
    datasets: input.map(readInput),
    algorithm: read,
    algorithmDid: hasId ? (read.documentId ?? '') : 'raw',
    metadataUri: isJsonObject(output) ? readName(output['metadataUri']) : null,
    asset: makesAssets ? readAsset(output) : null,
  };
};
