/** fileinfo, initialize and download by the rules and in the words of a classic Provider: Classic Provider API §11. */

import { ZeroAddress } from 'ethers';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import { createAccess, type AccessDeps, type FileAccess, type OrderedFile } from '../access.ts';
import { examineServiceOrder } from '../admission.ts';
import { findService, type DdoService } from '../ddo.ts';
import { nameOfFile, type FileFacts } from '../fileFacts.ts';
import type { FileObject } from '../fileObject.ts';
import type { ServiceReference } from '../inspect.ts';
import type { Asset } from '../onChainAssets.ts';
import type { OrderVerdict } from '../orders.ts';
import { signProviderFee, type SignedProviderFee } from '../providerFees.ts';
import { whyNotConsumable } from './consumable.ts';
import { findAsset, findFiles } from './lookup.ts';
import { classicOrderText } from './orderTexts.ts';

/** A consumer's question for one service. */
export interface ClassicAccessRequest {
  readonly reference: ServiceReference;
  readonly consumerAddress: string;
  readonly fileIndex: number | null;
  readonly transferTxId: string | null;
  readonly userdata: unknown;
  /** the request as it is told back */
  readonly payload: string;
}

/** A good order, or what to order. */
export type ClassicAccessQuote = { readonly validOrder: string } | { readonly datatoken: string; readonly providerFee: SignedProviderFee };

/** Ocean's list of networks has a name for each chain; the local one is called so by every classic Provider. */
const networkName = ({ chains }: AccessDeps, chainId: number): string =>
  chainId === 8996 ? 'Ganache' : (chains.get(chainId)?.config.name ?? 'Unknown');

interface Found {
  readonly asset: Asset;
  readonly service: DdoService;
  /** @returns the failure with the network's name before the text */
  readonly fail: (text: string) => JobFailure;
}

const refuse = (text: string): JobFailure => new JobFailure('RequestInvalid', text);

const find = async (deps: AccessDeps, { documentId, serviceId }: ServiceReference): Promise<Found> => {
  const found = await findAsset(deps.resolver, documentId);
  if (found.kind !== 'found') throw refuse('Cannot resolve DID');
  const { asset } = found;
  const fail = (text: string): JobFailure => refuse(`Provider ${networkName(deps, asset.ddo.chainId)}: ${text}`);
  const service = findService(asset.ddo, serviceId);
  if (service === undefined) throw fail('Invalid serviceId.');
  return { asset, service, fail };
};

const requireConsumable = async (deps: AccessDeps, { asset, service, fail }: Found, address: string): Promise<void> => {
  const problem = await whyNotConsumable(asset, service, { address, accessLists: deps.accessLists });
  if (problem !== null) throw fail(problem);
};

const requireFiles = (deps: AccessDeps, { asset, service, fail }: Found): readonly FileObject[] => {
  const files = findFiles(asset.ddo, service, deps.decrypter);
  if (files === null) throw fail('Unable to get dataset files');
  return files;
};

const examine = async (deps: AccessDeps, found: Found, { transferTxId, consumerAddress }: ClassicAccessRequest): Promise<OrderVerdict> => {
  if (transferTxId === null) return { kind: 'invalid', reason: 'there is none' };
  const inspected = { asset: found.asset, service: found.service, files: [] };
  return examineServiceOrder(deps, { inspected, transferTxId, role: 'dataset', requester: consumerAddress, environmentId: null });
};

interface Asked extends Pick<Found, 'fail'> {
  readonly request: ClassicAccessRequest;
}

/** Looks at the one file that is asked for. */
const requireReachable = async (access: FileAccess, files: readonly FileObject[], { fail, request }: Asked): Promise<void> => {
  const { fileIndex, userdata, payload } = request;
  if (fileIndex === null) return;
  const facts = await access.describeFiles({ files, fileIndex, checksum: false, userdata }).catch((err: unknown) => {
    if (err instanceof JobFailure && err.type === 'RequestInvalid') return [];
    throw err;
  });
  if (facts[0]?.valid !== true) throw fail(`Asset URL not found, not available or invalid. Payload was: ${payload}`);
};

const createQuote = (deps: AccessDeps, access: FileAccess) =>
  async function initialize(request: ClassicAccessRequest): Promise<ClassicAccessQuote> {
    const found = await find(deps, request.reference);
    const { asset, service, fail } = found;
    if (service.type === 'compute') throw fail('Use the initializeCompute endpoint to initialize compute jobs.');
    await requireConsumable(deps, found, request.consumerAddress);
    await requireReachable(access, requireFiles(deps, found), { fail, request });
    const verdict = await examine(deps, found, request);
    if (verdict.kind === 'valid') return { validOrder: verdict.startTxId };
    const { datatokenAddress: datatoken } = service;
    const providerFee = signProviderFee(deps.providerPrivateKey, {
      ...{ environment: null, datatokenAddress: datatoken, serviceId: service.id, amount: 0n, validUntil: 0 },
      token: deps.chains.get(asset.ddo.chainId)?.config.feeToken ?? ZeroAddress,
      timestamp: Date.now() / 1_000,
    });
    return { datatoken, providerFee };
  };

const createDownload = (deps: AccessDeps, access: FileAccess) =>
  async function authorize(request: ClassicAccessRequest & { readonly fileIndex: number }): Promise<OrderedFile> {
    const found = await find(deps, request.reference);
    const { service, fail } = found;
    await requireConsumable(deps, found, request.consumerAddress);
    // an environment fetches what it computes on; everybody else computes where the data is
    const isEnvironment = request.consumerAddress.toLowerCase() === deps.environmentAddress.toLowerCase();
    if (service.type !== 'access' && !isEnvironment) throw fail(`Service with index=${service.id} is not an access service.`);
    const verdict = await examine(deps, found, request);
    if (verdict.kind !== 'valid') {
      const txId = (request.transferTxId ?? '').slice(0, 80);
      const text = classicOrderText(verdict.reason, txId, deps.environmentAddress);
      throw fail(`Order with tx_id ${txId} could not be validated due to error: ${text}`);
    }
    const file = requireFiles(deps, found)[request.fileIndex];
    if (file === undefined) throw fail(`No such fileIndex ${request.fileIndex}`);
    return { name: nameOfFile(file), open: (start, signal) => access.openFile(file, { start, userdata: request.userdata, signal }) };
  };

/** Joins what classic calls for access services need. */
export const createClassicAccess = (deps: AccessDeps) => {
  const access = createAccess(deps);
  return {
    /** Size, type and checksum of a service's files. @throws JobFailure RequestInvalid */
    async describeService(reference: ServiceReference, options: { readonly checksum: boolean; readonly userdata: unknown }) {
      const files = requireFiles(deps, await find(deps, reference));
      return access.describeFiles({ files, ...options });
    },
    /** The same of a file object of whoever asks. @throws JobFailure RequestInvalid */
    describeObject: (
      fileObject: unknown,
      options: { readonly checksum: boolean; readonly userdata: unknown },
    ): Promise<readonly FileFacts[]> => access.describeFiles({ fileObject, ...options }),
    /** @throws JobFailure RequestInvalid, OrderPending, ChainUnavailable */
    initialize: createQuote(deps, access),
    /** @throws JobFailure RequestInvalid, OrderPending, ChainUnavailable */
    authorize: createDownload(deps, access),
  };
};

export type ClassicAccess = ReturnType<typeof createClassicAccess>;
