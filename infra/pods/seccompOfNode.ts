/** A system call filter as the runtimes of a cluster's nodes read it: without conditions, which they would not see. Pure. */

import { z } from 'zod';
import { hardenSeccomp } from './seccomp.ts';

const condition = z.object({ caps: z.array(z.string()).nullish(), arches: z.array(z.string()).nullish() }).nullish();

const engineRule = z.looseObject({
  names: z.array(z.string()),
  action: z.string(),
  args: z.array(z.object({ index: z.int(), value: z.number(), valueTwo: z.number().optional(), op: z.string() })).nullish(),
  errnoRet: z.int().nullish(),
  includes: condition,
  excludes: condition,
});

const engineProfile = z.looseObject({
  defaultErrnoRet: z.int().nullish(),
  archMap: z.array(z.object({ architecture: z.string(), subArchitectures: z.array(z.string()).nullish() })).nullish(),
  syscalls: z.array(engineRule),
});

/** What the processors of a node are called: by engines in their conditions, and by the filter itself. */
const architectures = { x64: ['amd64', 'SCMP_ARCH_X86_64'], arm64: ['arm64', 'SCMP_ARCH_AARCH64'] } as const;

/** A kind of processor, as Node names it. */
export type NodeArchitecture = keyof typeof architectures;

/** As in the runtime specification of the OCI. */
export interface NodeSeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly {
    readonly names: readonly string[];
    readonly action: string;
    readonly args?: readonly object[];
    readonly errnoRet?: number;
  }[];
}

/** Containers of execution pods have no capability. */
const applies = ({ includes, excludes }: z.output<typeof engineRule>, architecture: string): boolean => {
  const needed = includes?.caps ?? [];
  const only = includes?.arches ?? [];
  return needed.length === 0 && (only.length === 0 || only.includes(architecture)) && !(excludes?.arches ?? []).includes(architecture);
};

/**
 * The hardened form of an engine's profile for the kubelets' `seccomp` folder. A kubelet passes the file on as it is, and
 * a container runtime overlooks what the specification does not know: a rule "with this capability only" would hold for all.
 * @param profile parsed JSON of a `seccomp.json` of Podman or Docker
 * @throws Error if it is no such profile, or cannot be hardened
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp
 */
export const nodeSeccomp = (profile: unknown, architecture: NodeArchitecture): NodeSeccompProfile => {
  const hardened = hardenSeccomp(profile);
  const parsed = engineProfile.safeParse(hardened);
  if (!parsed.success) throw new Error(`this is no seccomp profile: ${z.prettifyError(parsed.error)}`);
  const { archMap, syscalls, defaultErrnoRet } = parsed.data;
  const [name, native] = architectures[architecture];
  const others = (archMap ?? []).find((each) => each.architecture === native)?.subArchitectures ?? [];
  return {
    defaultAction: hardened.defaultAction,
    ...(typeof defaultErrnoRet === 'number' && { defaultErrnoRet }),
    architectures: [native, ...others],
    syscalls: syscalls
      .filter((rule) => applies(rule, name))
      .map(({ names, action, args, errnoRet }) => ({
        names,
        action,
        ...(args !== null && args !== undefined && args.length > 0 && { args }),
        ...(typeof errnoRet === 'number' && { errnoRet }),
      })),
  };
};
