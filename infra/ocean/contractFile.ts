/** Files that are the result of a contract's function. */

import { Readable } from 'node:stream';
import { Interface, Result, type InterfaceAbi } from 'ethers';
import { stringify } from 'lossless-json';
import type { ChainReader } from './chains.ts';
import type { FileObject } from './fileObject.ts';
import type { OpenedFile } from './fileSource.ts';
import { SourceFailure } from './sourceFailure.ts';

type ContractFile = Extract<FileObject, { readonly type: 'smartcontract' }>;

/** Results are lists, or objects where every value has a name; integers keep all their digits. */
const toPlain = (value: unknown): unknown => {
  if (!(value instanceof Result)) return value;
  const items = [...value].map(toPlain);
  try {
    const named = value.toObject();
    const names = Object.keys(named);
    if (names.length === items.length && names.every((name) => name !== '_')) {
      return Object.fromEntries(names.map((name, position) => [name, items[position]]));
    }
  } catch {
    // not every value has a name
  }
  return items;
};

const readArguments = ({ abi }: ContractFile, userdata: unknown): readonly unknown[] => {
  if (abi.inputs.length === 0) return [];
  if (typeof userdata !== 'object' || userdata === null) throw new SourceFailure('permanent', 'Missing parameters');
  const given = userdata as Readonly<Record<string, unknown>>;
  const missing = abi.inputs.map((input) => input.name).filter((name) => !Object.hasOwn(given, name));
  if (missing.length > 0) throw new SourceFailure('permanent', `Missing userparams: ${missing.join(', ')}`);
  return abi.inputs.map((input) => given[input.name]);
};

const encodeCall = (file: ContractFile, userdata: unknown): { readonly abi: Interface; readonly data: string } => {
  const args = readArguments(file, userdata);
  try {
    const abi = new Interface([file.abi] as unknown as InterfaceAbi);
    return { abi, data: abi.encodeFunctionData(file.abi.name, args) };
  } catch (err) {
    throw new SourceFailure('permanent', 'the parameters do not fit the contract function', err);
  }
};

const decodeResult = (file: ContractFile, abi: Interface, answer: string): unknown => {
  try {
    const result = abi.decodeFunctionResult(file.abi.name, answer);
    return result.length === 1 ? toPlain(result[0]) : toPlain(result);
  } catch (err) {
    throw new SourceFailure('permanent', 'the contract answered with something else than its function promises', err);
  }
};

/**
 * Calls the function and offers its result as JSON.
 * @param userdata the function's arguments by name
 * @throws SourceFailure permanent when the contract refuses or the arguments do not fit; transient in an outage
 */
export const callContract = async (
  file: ContractFile,
  userdata: unknown,
  chains: ReadonlyMap<number, ChainReader>,
): Promise<OpenedFile> => {
  const chain = file.chainId === null ? chains.values().next().value : chains.get(file.chainId);
  if (chain === undefined) throw new SourceFailure('permanent', `chain ${file.chainId} is not served`);
  const { abi, data } = encodeCall(file, userdata);
  let answer: string | null;
  try {
    answer = await chain.callRaw(file.address, data);
  } catch (err) {
    throw new SourceFailure('transient', 'the chain of a smart contract file cannot be read at the moment', err);
  }
  if (answer === null || answer === '0x') throw new SourceFailure('permanent', 'the contract refused the call');
  const bytes = Buffer.from(stringify(decodeResult(file, abi, answer)) ?? 'null');
  return { stream: Readable.from([bytes]), sizeBytes: bytes.length, start: 0, contentType: 'application/json' };
};
