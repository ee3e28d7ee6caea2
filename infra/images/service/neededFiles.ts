/** Which files of installed packages the service needs when it runs. */

const libc = { x64: 'x86_64-unknown-linux-gnu', arm64: 'aarch64-unknown-linux-gnu' } as const;

const nativeFolder = (architecture: string): string => libc[architecture as keyof typeof libc] ?? architecture;

/** The native part of Temporal's worker, from the project's root. */
export const temporalNative = (architecture: string = process.arch): string =>
  `node_modules/@temporalio/core-bridge/releases/${nativeFolder(architecture)}/index.node`;

/** TypeScript of packages, which Node does not load, source maps and documents; the image's own Node; native parts for other machines and their sources. */
const unneeded: readonly RegExp[] = [
  /^node_modules\/.*\.[cm]?ts$/,
  /\.map$/,
  /\.md$/i,
  /^node_modules\/(\.bin|\.cache|node-linux-[^/]+)(\/|$)/,
  /^node_modules\/@types(\/|$)/,
  /^node_modules\/@temporalio\/core-bridge\/(sdk-core|src|bridge-macros|ts)(\/|$)/,
];

const temporalRelease = /^node_modules\/@temporalio\/core-bridge\/releases\/([^/]+)(\/|$)/;

/** @param file path from the project's root, with slashes; @param architecture as Node names it */
export const isNeededAtRunTime = (file: string, architecture: string = process.arch): boolean => {
  const release = temporalRelease.exec(file)?.[1];
  if (release !== undefined && release !== nativeFolder(architecture)) return false;
  return !unneeded.some((pattern) => pattern.test(file));
};
