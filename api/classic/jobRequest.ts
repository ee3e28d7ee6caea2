/** Datasets and algorithm of a classic request, as checks read them and as a job keeps them. */

import { classicResources } from '../../infra/environments/classicOffer.ts';
import type { ClassicAlgorithm, ClassicDataset } from '../../infra/ocean/classic/checks.ts';
import type { AlgorithmRequest, DatasetRequest, JobSpec } from '../../workflows/contract/spec.ts';
import { isJsonObject } from '../losslessJson.ts';
import type { ComputeEnvironment } from '../ports.ts';
import { Refusal } from '../problems.ts';
import { assetPart, type AskedAsset } from '../publishing.ts';
import { isEmpty } from './fields.ts';
import { textOf } from './requestData.ts';

type Data = Readonly<Record<string, unknown>>;

const longestText = 512;

const objectOf = (value: unknown): Data => (isJsonObject(value) ? value : {});

/** Ids and transactions: short, and printable, because they are told back. */
const readName = (value: unknown): string | null => {
  const text = textOf(value);
  return text !== null && text.length <= longestText && /^[\x20-\x7e]*$/.test(text) ? text : null;
};

const readUserdata = ({ userdata }: Data): unknown => userdata ?? null;

/** One dataset; what was not sent is null, and so is what cannot be a name. */
export const readClassicDataset = (value: unknown): ClassicDataset & { readonly userdata: unknown } => {
  const data = objectOf(value);
  return {
    documentId: readName(data['documentId']),
    serviceId: readName(data['serviceId']),
    transferTxId: readName(data['transferTxId']),
    userdata: readUserdata(data),
  };
};

/** `meta` is an object, or the same as a JSON text. */
const readMeta = (value: unknown): Data | null => {
  if (typeof value !== 'string') return isJsonObject(value) && Object.keys(value).length > 0 ? value : null;
  try {
    const parsed: unknown = JSON.parse(value);
    return readMeta(typeof parsed === 'string' ? null : parsed);
  } catch {
    return null;
  }
};

interface RawAlgorithm {
  readonly rawcode: string | null;
  readonly url: string | null;
  readonly container: { readonly entrypoint: string; readonly image: string; readonly tag: string; readonly checksum: string } | null;
}

const readRaw = (meta: Data): RawAlgorithm => {
  const { container, url, rawcode } = meta;
  const part = (name: string): string => textOf(objectOf(container)[name]) ?? '';
  return {
    rawcode: typeof rawcode === 'string' && rawcode !== '' ? rawcode : null,
    url: textOf(url),
    container: isJsonObject(container)
      ? { entrypoint: part('entrypoint'), image: part('image'), tag: part('tag'), checksum: part('checksum') }
      : null,
  };
};

/** The algorithm: published when `documentId` is given, whatever else was sent. */
export const readClassicAlgorithm = (
  value: unknown,
): ClassicAlgorithm & { readonly raw: RawAlgorithm | null; readonly custom: unknown } => {
  const data = objectOf(value);
  const named = readClassicDataset(data);
  const meta = named.documentId === null ? readMeta(data['meta']) : null;
  const userdata = [data['userdata'], data['algouserdata'], data['userData']].find((one) => !isEmpty(one)) ?? null;
  return { ...named, userdata, raw: meta && readRaw(meta), custom: data['algocustomdata'] ?? null };
};

/** What a classic start asks for. */
export interface ClassicJobRequest {
  /** the main dataset first */
  readonly datasets: readonly ReturnType<typeof readClassicDataset>[];
  readonly algorithm: ReturnType<typeof readClassicAlgorithm>;
}

const toDataset = ({ documentId, serviceId, transferTxId, userdata }: ClassicJobRequest['datasets'][number]): DatasetRequest => ({
  ...{ documentId, serviceId, transferTxId, userdata },
  fileObject: null,
});

const toAlgorithm = ({ documentId, serviceId, transferTxId, userdata, raw, custom }: ClassicJobRequest['algorithm']): AlgorithmRequest => {
  const container = raw?.container ?? { entrypoint: '', image: '', tag: '', checksum: '' };
  return {
    ...{ documentId, serviceId, transferTxId, userdata },
    raw: raw && { rawcode: raw.rawcode, url: raw.url, fileObject: null, container },
    algocustomdata: custom,
    envs: {},
  };
};

/** Whose job it is, where it runs, and the asset that it is asked to make. */
interface ClassicJobPlace {
  readonly jobId: string;
  readonly consumerAddress: string;
  readonly environment: ComputeEnvironment;
  readonly asset: AskedAsset | null;
}

/** The job: all that an environment gives to a job, as long as order and environment allow. It waits for a place. */
export const toClassicSpec = (
  { datasets, algorithm }: ClassicJobRequest,
  { jobId, consumerAddress, environment, asset }: ClassicJobPlace,
): JobSpec => ({
  ...{ jobId, consumerAddress, surface: 'classic', isFree: false, environmentId: environment.id, chainId: null },
  datasets: datasets.map(toDataset),
  algorithm: toAlgorithm(algorithm),
  resources: classicResources(environment),
  maxJobDuration: null,
  // clients of this API cannot say how long they would wait
  queueMaxWaitTime: environment.maxQueueTime,
  metadata: null,
  additionalViewers: [],
  ...assetPart(asset, { environment, consumerAddress, isFree: false }),
});

/** @throws Refusal 400 with the text that clients know */
export const requireClassicEnvironment = (found: ComputeEnvironment | undefined, text: string): ComputeEnvironment => {
  if (found === undefined) throw new Refusal(400, text);
  return found;
};
