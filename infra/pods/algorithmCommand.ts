/** From an algorithm's `container` metadata and request to argv, image reference and environment. */

import type { AlgorithmContainer } from '../../workflows/contract/spec.ts';

/** Where the algorithm's first file is staged; `$ALGO` in an entrypoint stands for it. */
export const algorithmPath = '/data/transformations/algorithm';

/** Characters that mean something to a shell; an entrypoint without any is run directly. */
const shellSyntax = /[|&;<>()$`\\"'*?[\]#~=%{}!\n\r]/;

/**
 * The argv of an algorithm (contract for algorithm authors §1). Every `$ALGO` and `${ALGO}` becomes the staged
 * file; plain words are split on blanks, so that an image without a shell works; anything else goes to `sh -c`.
 * @returns null for an empty entrypoint: the image's own is run
 */
export const algorithmCommand = (entrypoint: string): readonly string[] | null => {
  const text = entrypoint.replaceAll(/\$ALGO(?![A-Za-z0-9_])|\$\{ALGO\}/g, algorithmPath).trim();
  if (text === '') return null;
  // an assignment or a comment matters to a shell only at the start of a word, but `a=b` and `%` as arguments are plain
  const plain = !shellSyntax.test(text.replaceAll(/(?<=\S)[=%#~!{}]/g, '')) && !/^[A-Za-z_][A-Za-z0-9_]*=/.test(text);
  return plain ? text.split(/[ \t]+/) : ['sh', '-c', text];
};

/**
 * The image reference of an algorithm: by digest where one is named, else by tag, else `latest`.
 * A reference with neither is never returned: engines would pull every tag of the repository.
 */
export const imageReference = ({ image, tag, checksum }: Pick<AlgorithmContainer, 'image' | 'tag' | 'checksum'>): string => {
  const name = image.trim();
  if (/@sha256:[0-9a-f]{64}$/.test(name)) return name;
  if (checksum.trim() !== '') return `${withoutTag(name)}@${checksum.trim().includes(':') ? checksum.trim() : `sha256:${checksum.trim()}`}`;
  if (tag.trim() !== '') return `${name}:${tag.trim()}`;
  return withoutTag(name) === name ? `${name}:latest` : name;
};

/** A colon after the last slash starts a tag; one before it belongs to a registry's port. */
const withoutTag = (name: string): string => {
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? name.slice(0, colon) : name;
};

/** What {@link algorithmEnv} needs to know about a job. */
export interface AlgorithmEnvSource {
  /** datasets' folder names (DIDs without prefix, or `raw-<position>`), in request order */
  readonly dids: readonly string[];
  /** the algorithm's DID without prefix; empty for a raw algorithm */
  readonly transformationDid: string;
  /** the consumer's own variables */
  readonly envs: Readonly<Record<string, string>>;
  /** 32 hex characters; kept for old code only, unlocks nothing */
  readonly secret: string;
}

/**
 * Environment of an algorithm (contract for algorithm authors §3). The consumer's variables cannot replace the
 * table's names; names that no shell could hold, values with a NUL and our own prefix `c2d_` are left out.
 */
export const algorithmEnv = ({ dids, transformationDid, envs, secret }: AlgorithmEnvSource): Record<string, string> => ({
  ...Object.fromEntries(Object.entries(envs).filter(([name, value]) => isUsableVariable(name, value))),
  DIDS: JSON.stringify(dids),
  TRANSFORMATION_DID: transformationDid,
  VOLUME: '/data',
  LOGS: '/data/logs',
  INPUTS: '/data/inputs',
  OUTPUTS: '/data/outputs',
  secret,
});

const isUsableVariable = (name: string, value: string): boolean =>
  /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !/^c2d_/i.test(name) && !value.includes('\0');
