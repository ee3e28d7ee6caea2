/** Access services: what their files are, what must be ordered for them, and their bytes for whoever ordered them. */

import { ZeroAddress } from 'ethers';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { examineServiceOrder, type AdmissionDeps } from './admission.ts';
import { readServiceFiles } from './assetFiles.ts';
import { createFileFacts, nameOfFile, type FileFacts } from './fileFacts.ts';
import { createFileChecksums } from './fileChecksums.ts';
import { parseFileObject, type FileObject } from './fileObject.ts';
import type { FileSource, OpenedFile } from './fileSource.ts';
import { sha256Hex } from './ids.ts';
import { inspectService, requireService, type InspectedService, type ServiceReference } from './inspect.ts';
import { signProviderFee, type SignedProviderFee } from './providerFees.ts';
import { SourceFailure } from './sourceFailure.ts';

export interface AccessDeps extends AdmissionDeps {
  readonly providerPrivateKey: string;
  readonly fileSource: FileSource;
}

/** Files to look at: those of a published service, by its name or as they were read, or one file object of whoever asks. */
export type FilesQuestion = (
  { readonly reference: ServiceReference } | { readonly files: readonly FileObject[] } | { readonly fileObject: unknown }
) & {
  /** absent or null: all of them */
  readonly fileIndex?: number | null;
  readonly checksum: boolean;
  readonly userdata: unknown;
};

/** A consumer's question for one access service. */
export interface AccessRequest {
  readonly reference: ServiceReference;
  readonly consumerAddress: string;
  /** null: no file in particular */
  readonly fileIndex: number | null;
}

/** What to order. Amounts as in every signed fee. */
export interface AccessQuote {
  readonly datatoken: string;
  readonly providerFee: SignedProviderFee;
  readonly computeAddress: string;
}

export interface DownloadRequest extends AccessRequest {
  readonly fileIndex: number;
  readonly transferTxId: string | null;
  /** the consumer's parameters for the file */
  readonly userdata: unknown;
}

/** A file that its consumer may read now. */
export interface OrderedFile {
  /** empty where its source has no name */
  readonly name: string;
  /** @throws JobFailure RequestInvalid when the source refuses, InputUnavailable when it is away */
  open(start: number, signal: AbortSignal): Promise<OpenedFile>;
}

/** of one file, for whoever asks: small, because nobody pays for it */
const longestChecksumBytes = 5 * 1024 ** 2;
const lookTimeoutMs = 20_000;
const rememberChecksumsMs = 30_000;

const requireFile = (files: readonly FileObject[], fileIndex: number): FileObject => {
  const file = files[fileIndex];
  if (file === undefined) throw new JobFailure('RequestInvalid', `No such fileIndex ${fileIndex}`);
  return file;
};

const inspect = (deps: AccessDeps, { reference, consumerAddress }: AccessRequest): Promise<InspectedService> =>
  inspectService(deps, { reference, consumerAddress, role: 'dataset', chainIds: [] });

const openSource = async (deps: AccessDeps, file: FileObject, options: Parameters<FileSource['open']>[1]): Promise<OpenedFile> => {
  try {
    return await deps.fileSource.open(file, options);
  } catch (err) {
    if (!(err instanceof SourceFailure)) throw err;
    const text = `Asset URL not found, not available or invalid: ${err.message}`;
    if (err.kind === 'permanent') throw new JobFailure('RequestInvalid', text, { cause: err });
    throw new JobFailure('InputUnavailable', text, { retryAfterSeconds: 5, cause: err });
  }
};

const filesOf = async (deps: AccessDeps, question: FilesQuestion): Promise<readonly FileObject[]> => {
  if ('fileObject' in question) return [parseFileObject(question.fileObject)];
  if ('files' in question) return question.files;
  const asset = await deps.resolver.resolve(question.reference.documentId);
  return readServiceFiles(asset.ddo, requireService(asset, question.reference.serviceId), deps.decrypter);
};

const createFilesLook = (deps: AccessDeps) => {
  const limits = { longestBytes: longestChecksumBytes, timeoutMs: lookTimeoutMs, rememberMs: rememberChecksumsMs };
  const readFacts = createFileFacts({
    source: deps.fileSource,
    checksums: createFileChecksums(deps.fileSource, limits),
    timeoutMs: lookTimeoutMs,
  });
  return async (question: FilesQuestion): Promise<readonly FileFacts[]> => {
    const { checksum, userdata } = question;
    const all = await filesOf(deps, question);
    const index = question.fileIndex ?? null;
    const facts = await readFacts(index === null ? all : [requireFile(all, index)], {
      checksum,
      userdata,
      key: sha256Hex(JSON.stringify([all, userdata ?? null])) + (index ?? ''),
    });
    return index === null ? facts : facts.map((fact) => ({ ...fact, index }));
  };
};

/** Joins what access services need. */
export const createAccess = (deps: AccessDeps) => ({
  /**
   * Tells size, type and checksum of files; hands no content out.
   * @throws JobFailure AssetNotFound, ServiceNotFound, FilesNotOurs, RequestInvalid
   */
  describeFiles: createFilesLook(deps),

  /** The bytes of a file. @throws JobFailure RequestInvalid when the source refuses, InputUnavailable when it is away */
  openFile: (file: FileObject, options: Parameters<FileSource['open']>[1]) => openSource(deps, file, options),

  /**
   * Quotes an order of an access service: the fee costs nothing and names no environment.
   * @throws JobFailure as `inspectService`; RequestInvalid for a compute service and for a file that does not exist
   * @see Ocean Provider and Ocean Node: initialize
   */
  async quoteAccess(request: AccessRequest): Promise<AccessQuote> {
    const { asset, service, files } = await inspect(deps, request);
    if (service.type !== 'access') {
      throw new JobFailure('RequestInvalid', 'Use the initializeCompute endpoint to initialize compute jobs');
    }
    if (request.fileIndex !== null) requireFile(files, request.fileIndex);
    const timestamp = Date.now() / 1_000;
    const providerFee = signProviderFee(deps.providerPrivateKey, {
      ...{ environment: null, datatokenAddress: service.datatokenAddress, serviceId: service.id, amount: 0n, timestamp },
      token: deps.chains.get(asset.ddo.chainId)?.config.feeToken ?? ZeroAddress,
      validUntil: service.timeoutSeconds === 0 ? 0 : Math.floor(timestamp) + service.timeoutSeconds,
    });
    return { datatoken: service.datatokenAddress, providerFee, computeAddress: deps.environmentAddress };
  },

  /**
   * Checks asset and order like a start does, for an access service. A fee that was quoted for a job on the same
   * service counts as well: the order bought the same files.
   * @throws JobFailure as `inspectService`; OrderMissing, OrderInvalid, OrderPending
   */
  async authorizeDownload(request: DownloadRequest): Promise<OrderedFile> {
    const { fileIndex, transferTxId, userdata, consumerAddress } = request;
    const inspected = await inspect(deps, request);
    const { asset, service, files } = inspected;
    const { did } = asset.ddo;
    if (service.type !== 'access') throw new JobFailure('RequestInvalid', `Service with index=${service.id} is not an access service.`);
    const file = requireFile(files, fileIndex);
    if (transferTxId === null || transferTxId === '') throw new JobFailure('OrderMissing', `Missing transferTxId for DDO ${did}`);
    const verdict = await examineServiceOrder(deps, {
      ...{ inspected, transferTxId, role: 'dataset', requester: consumerAddress, environmentId: null },
    });
    if (verdict.kind !== 'valid') {
      const text = `Order with tx_id ${transferTxId.slice(0, 80)} could not be validated due to error: ${verdict.reason}`;
      throw new JobFailure('OrderInvalid', text);
    }
    return { name: nameOfFile(file), open: (start, signal) => openSource(deps, file, { start, userdata, signal }) };
  },
});

export type FileAccess = ReturnType<typeof createAccess>;

/** Without what hands out files that nobody has ordered. */
export type Access = Omit<FileAccess, 'openFile'>;
