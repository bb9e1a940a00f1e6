/** What the kernel calls a machine, and where its own calls differ from one another. */
interface Architecture {
  readonly audit: number;
  readonly socket: number;
  readonly ioctl: number;
  readonly denied: readonly number[];
  /** Calls from here on are of another table of the same machine (x32). */
  readonly foreignFrom: number | null;
}

/** Since Linux 5.1 new calls have one number everywhere. */
const deniedEverywhere: readonly number[] = [
  425, // io_uring_setup
  426, // io_uring_enter
  427, // io_uring_register
  428, // open_tree
  429, // move_mount
  430, // fsopen
  431, // fsconfig
  432, // fsmount
  433, // fspick
  438, // pidfd_getfd
  440, // process_madvise
  442, // mount_setattr
  467, // open_tree_attr
];

const architectures: Readonly<Record<string, Architecture>> = {
  x64: {
    audit: 0xc000003e,
    socket: 41,
    ioctl: 16,
    denied: [
      101, // ptrace
      155, // pivot_root
      159, // adjtimex
      161, // chroot
      163, // acct
      164, // settimeofday
      165, // mount
      166, // umount2
      167, // swapon
      168, // swapoff
      169, // reboot
      172, // iopl
      173, // ioperm
      175, // init_module
      176, // delete_module
      179, // quotactl
      227, // clock_settime
      246, // kexec_load
      248, // add_key
      249, // request_key
      250, // keyctl
      272, // unshare
      298, // perf_event_open
      303, // name_to_handle_at
      304, // open_by_handle_at
      308, // setns
      310, // process_vm_readv
      311, // process_vm_writev
      312, // kcmp
      313, // finit_module
      320, // kexec_file_load
      321, // bpf
      323, // userfaultfd
    ],
    foreignFrom: 0x40000000,
  },
  arm64: {
    audit: 0xc00000b7,
    socket: 198,
    ioctl: 29,
    denied: [
      39, // umount2
      40, // mount
      41, // pivot_root
      51, // chroot
      60, // quotactl
      89, // acct
      97, // unshare
      104, // kexec_load
      105, // init_module
      106, // delete_module
      112, // clock_settime
      117, // ptrace
      142, // reboot
      170, // settimeofday
      171, // adjtimex
      217, // add_key
      218, // request_key
      219, // keyctl
      224, // swapon
      225, // swapoff
      241, // perf_event_open
      264, // name_to_handle_at
      265, // open_by_handle_at
      268, // setns
      270, // process_vm_readv
      271, // process_vm_writev
      272, // kcmp
      273, // finit_module
      280, // bpf
      282, // userfaultfd
      294, // kexec_file_load
    ],
    foreignFrom: null,
  },
};

/** Unix, IPv4, IPv6 and netlink. Others (vsock, alg …) are not held by a network namespace. */
const socketFamilies: readonly number[] = [1, 2, 10, 16];
/** TIOCSTI and TIOCLINUX: typing into a terminal that is not one's own. */
const terminalRequests: readonly number[] = [0x5412, 0x541c];

const load = 0x20;
const jumpIfEqual = 0x15;
const jumpIfAtLeast = 0x35;
const give = 0x06;
const numberAt = 0;
const architectureAt = 4;
const firstArgumentAt = 16;
const secondArgumentAt = 24;
const allow = 0x7fff0000;
const killProcess = 0x80000000;
const fail = (errno: number): number => 0x00050000 + errno;
const notPermitted = 1;
const noSuchCall = 38;
const noSuchFamily = 97;

/**
 * A seccomp program for `bwrap --seccomp`: what reaches deep into the kernel and no build or test
 * needs is refused, and so is what could reach a process of the place from another one. Null on a
 * machine whose numbers are not known.
 */
export function bubblewrapFilter(machine: string): Buffer | null {
  const architecture = architectures[machine];
  if (architecture === undefined) return null;
  const { audit, socket, ioctl, denied, foreignFrom } = architecture;
  return assemble([
    [load, 0, 0, architectureAt],
    ...unless(jumpIfEqual, [audit], [[give, 0, 0, killProcess]]),
    [load, 0, 0, numberAt],
    ...(foreignFrom === null ? [] : when(jumpIfAtLeast, foreignFrom, fail(noSuchCall))),
    ...[...denied, ...deniedEverywhere].flatMap((call) =>
      when(jumpIfEqual, call, fail(notPermitted)),
    ),
    ...unless(jumpIfEqual, [socket], ifNot(ioctl)),
    [load, 0, 0, firstArgumentAt],
    ...unless(jumpIfEqual, socketFamilies, [[give, 0, 0, fail(noSuchFamily)]]),
    [give, 0, 0, allow],
  ]);
}

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

/** For what is no `socket`: an `ioctl` is looked at, anything else is allowed. */
function ifNot(ioctl: number): readonly Instruction[] {
  return [
    ...unless(jumpIfEqual, [ioctl], [[give, 0, 0, allow]]),
    [load, 0, 0, secondArgumentAt],
    ...terminalRequests.flatMap((request) => when(jumpIfEqual, request, fail(notPermitted))),
    [give, 0, 0, allow],
  ];
}

function when(test: number, value: number, result: number): readonly Instruction[] {
  return [
    [test, 0, 1, value],
    [give, 0, 0, result],
  ];
}

/** Goes over `otherwise` when one of the values matches. */
function unless(
  test: number,
  values: readonly number[],
  otherwise: readonly Instruction[],
): readonly Instruction[] {
  const tests = values.map((value, index): Instruction => {
    const left = values.length - index - 1;
    return [test, left + otherwise.length, 0, value];
  });
  return [...tests, ...otherwise];
}

/** As `struct sock_filter` lies in memory; both machines are little-endian. */
function assemble(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, ifTrue, ifFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(ifTrue, index * 8 + 2);
    bytes.writeUInt8(ifFalse, index * 8 + 3);
    bytes.writeUInt32LE(value, index * 8 + 4);
  }
  return bytes;
}
