//! CPUs, caches and nodes of a machine.
//!
//! A machine that is spelled out is an Intel processor to its kernel: its
//! CPUID leaf 4 then gives each die a last-level cache of its own, and threads
//! are seen as such. QEMU's CPU of a neutral vendor has one cache a socket.

use crate::arch::Arch;
use crate::size;
use anyhow::{Result, bail};
use core::fmt;
use core::str::FromStr;

/// CPUs and what they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Smp {
    /// So many CPUs, as QEMU puts them together: cores of one socket.
    Flat(u32),
    /// All of it.
    Spelled {
        /// NUMA nodes that have CPUs.
        nodes: u32,
        /// Last-level caches, in all nodes together.
        llcs: u32,
        /// Cores, in all nodes together.
        cores: u32,
        /// CPUs of each core.
        threads: u32,
    },
}

const SMP: &str = "valid are a number of CPUs, or NnLlCcTt as in 2n4l8c2t: \
    in all 2 NUMA nodes, 4 last-level caches and 8 cores, each core of 2 \
    threads";

impl FromStr for Smp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no set of CPUs; {SMP}");
        if let Ok(cpus) = text.parse() {
            return (cpus > 0).then_some(Self::Flat(cpus)).ok_or_else(wrong);
        }
        let mut rest = text;
        let mut next = |letter: char| {
            let (number, after) = rest.split_once(letter)?;
            rest = after;
            number.parse::<u32>().ok().filter(|&n| n > 0)
        };
        let all = ['n', 'l', 'c', 't'].map(&mut next);
        let [Some(nodes), Some(llcs), Some(cores), Some(threads)] = all else {
            return Err(wrong());
        };
        if !rest.is_empty() || cores.checked_mul(threads).is_none() {
            return Err(wrong());
        }
        for (parts, whole, what) in [
            (nodes, llcs, "caches cannot be divided over the nodes"),
            (llcs, cores, "cores cannot be divided over the caches"),
        ] {
            if !whole.is_multiple_of(parts) {
                return Err(format!("`{text}`: {whole} {what}, {parts}"));
            }
        }
        Ok(Self::Spelled {
            nodes,
            llcs,
            cores,
            threads,
        })
    }
}

impl fmt::Display for Smp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flat(cpus) => write!(f, "{cpus}"),
            Self::Spelled {
                nodes,
                llcs,
                cores,
                threads,
            } => write!(f, "{nodes}n{llcs}l{cores}c{threads}t"),
        }
    }
}

impl Default for Smp {
    fn default() -> Self {
        Self::Flat(2)
    }
}

impl Smp {
    /// How many CPUs.
    #[must_use]
    pub fn cpus(self) -> u32 {
        match self {
            Self::Flat(cpus) => cpus,
            Self::Spelled { cores, threads, .. } => cores * threads,
        }
    }

    /// How many nodes, if that is spelled out.
    #[must_use]
    pub fn nodes(self) -> Option<u32> {
        match self {
            Self::Flat(_) => None,
            Self::Spelled { nodes, .. } => Some(nodes),
        }
    }

    /// The value of QEMU's `-smp`.
    #[must_use]
    pub fn arg(self) -> String {
        match self {
            Self::Flat(cpus) => cpus.to_string(),
            Self::Spelled {
                nodes,
                llcs,
                cores,
                threads,
            } => {
                // Not all boards know dies.
                let dies = match llcs / nodes {
                    1 => String::new(),
                    dies => format!(",dies={dies}"),
                };
                format!(
                    "{},sockets={nodes}{dies},cores={},threads={threads}",
                    self.cpus(),
                    cores / llcs
                )
            }
        }
    }
}

/// Memory in MiB: of the whole machine, or of each node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory(Vec<u32>);

impl Default for Memory {
    fn default() -> Self {
        Self(vec![512])
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sizes: Result<Vec<u32>, String> =
            text.split(',').map(size::mebibytes).collect();
        let sizes = sizes.map_err(|wrong| {
            format!("{wrong}, or one for each node with commas between them")
        })?;
        let mut all = sizes.iter();
        match all.try_fold(0_u32, |sum, &mib| sum.checked_add(mib)) {
            Some(_) => Ok(Self(sizes)),
            None => Err(format!("`{text}` is more than any machine has")),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&sizes.join(","))
    }
}

impl Memory {
    /// So much for the whole machine.
    #[must_use]
    pub fn mib(mib: u32) -> Self {
        Self(vec![mib])
    }

    /// All of it, of a machine whose nodes have none of their own.
    #[must_use]
    pub fn whole(&self) -> Option<u32> {
        (self.0.len() == 1).then(|| self.total())
    }

    fn total(&self) -> u32 {
        self.0.iter().sum()
    }
}

/// How far it is from one node to another, where 10 is no way at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distance {
    from: usize,
    to: usize,
    far: u8,
}

impl FromStr for Distance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (nodes, far) = text.split_once('=')?;
            let (from, to) = nodes.split_once('-')?;
            let far = far.parse().ok().filter(|far| (11..255).contains(far))?;
            let (from, to) = (from.parse().ok()?, to.parse().ok()?);
            (from != to).then_some(Self { from, to, far })
        };
        parse().ok_or_else(|| {
            format!(
                "`{text}` is no distance; valid is A-B=D as in 0-1=21, with \
                 the numbers of two nodes and 11 to 254 between them"
            )
        })
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}={}", self.from, self.to, self.far)
    }
}

/// Distance of nodes of which nothing is said.
const FAR: u8 = 20;

/// A machine's CPUs, nodes and memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// Its CPUs.
    pub smp: Smp,
    /// Nodes over which CPUs of a flat machine are divided; 0 and 1 mean
    /// that there are none.
    pub numa: u32,
    /// Its memory. A node behind those with CPUs has none.
    pub memory: Memory,
    /// Distances that are not the usual one.
    pub distances: Vec<Distance>,
}

impl Topology {
    /// QEMU's arguments.
    ///
    /// # Errors
    ///
    /// What does not fit together.
    pub fn args(&self, arch: &Arch) -> Result<Vec<String>> {
        if let Smp::Spelled { llcs: 2.., .. } = self.smp
            && arch.spelled.is_none()
        {
            bail!(
                "--smp {}: the machine of {} has one last-level cache; valid \
                 are 1n1lCcTt, and --numa for nodes",
                self.smp,
                arch.name
            );
        }
        if self.smp.cpus() > arch.cpus {
            bail!(
                "--smp {}: QEMU's machine of {} has {} CPUs at most",
                self.smp,
                arch.name,
                arch.cpus
            );
        }
        let (with_cpus, per_node) = self.nodes()?;
        let total = self.memory.total();
        let mut args = vec!["-smp".to_owned(), self.smp.arg()];
        args.extend(["-m".to_owned(), format!("{total}M")]);
        let each = self.smp.cpus() / with_cpus;
        for (node, mib) in (0..).zip(&per_node) {
            let ram = format!("memory-backend-ram,id=m{node},size={mib}M");
            let cpus = match node < with_cpus {
                true => {
                    let (first, last) = (node * each, (node + 1) * each - 1);
                    format!(",cpus={first}-{last}")
                }
                false => String::new(),
            };
            let numa = format!("node,nodeid={node}{cpus},memdev=m{node}");
            args.extend(["-object".to_owned(), ram]);
            args.extend(["-numa".to_owned(), numa]);
        }
        args.extend(self.distances(per_node.len())?);
        Ok(args)
    }

    /// Whether its memory is not to blame for a machine that says nothing:
    /// kernels of distributions take some 80 MiB to unpack.
    #[must_use]
    pub fn is_ample(&self) -> bool {
        self.memory.total() >= 256
    }

    /// Refuses more memory than a host has, of which this is `/proc/meminfo`:
    /// QEMU would not start.
    ///
    /// # Errors
    ///
    /// It is more.
    pub fn fits(&self, meminfo: &str) -> Result<()> {
        let kib = |name: &str| -> Option<u64> {
            let line = meminfo.lines().find_map(|l| l.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim().parse().ok()
        };
        let swap = kib("SwapTotal:").unwrap_or(0);
        let (asked, all) = (self.memory.total(), kib("MemTotal:"));
        match all.map(|all| (all + swap) / 1024) {
            Some(mib) if u64::from(asked) > mib => bail!(
                "--mem {}: that is {asked} MiB, and this host has {mib} MiB, \
                 its swap included",
                self.memory
            ),
            _ => Ok(()),
        }
    }

    /// How many nodes have CPUs, and the memory of all nodes; that is empty
    /// for a machine without nodes.
    fn nodes(&self) -> Result<(u32, Vec<u32>)> {
        let (smp, cpus) = (self.smp, self.smp.cpus());
        let nodes = match (smp.nodes(), self.numa.max(1)) {
            (Some(nodes), 1) => nodes,
            (Some(nodes), numa) if nodes == numa => nodes,
            (Some(_), numa) => bail!(
                "--smp {smp} and --numa {numa} differ; the first is enough"
            ),
            (None, numa) => numa,
        };
        let (sizes, total) = (&self.memory.0, self.memory.total());
        if sizes.len() == 1 && nodes == 1 {
            return Ok((1, Vec::new()));
        }
        let whole = cpus.is_multiple_of(nodes) && cpus >= nodes;
        if !whole || sizes.len() == 1 && !total.is_multiple_of(nodes) {
            bail!(
                "{cpus} CPUs and {total} MiB cannot be divided over {nodes} \
                 nodes"
            );
        }
        match sizes.len() {
            1 => Ok((nodes, vec![total / nodes; nodes as usize])),
            given if given < nodes as usize => bail!(
                "--mem gives {given} nodes memory, and there are {nodes}; \
                 valid is one size for all, or one for each and for more \
                 nodes without CPUs"
            ),
            _ => Ok((nodes, sizes.clone())),
        }
    }

    fn distances(&self, nodes: usize) -> Result<Vec<String>> {
        let known =
            |distance: &&Distance| distance.from.max(distance.to) >= nodes;
        if let Some(wrong) = self.distances.iter().find(known) {
            bail!(
                "--distance: there is no node {}; the machine has {}",
                wrong.from.max(wrong.to),
                nodes.max(1)
            );
        }
        let mut args = Vec::new();
        // QEMU wants all or none.
        for to in 0..nodes * usize::from(!self.distances.is_empty()) {
            for from in 0..to {
                let mut given = self.distances.iter().filter(|distance| {
                    let (a, b) = (distance.from, distance.to);
                    (a.min(b), a.max(b)) == (from, to)
                });
                let far = given.next().map_or(FAR, |distance| distance.far);
                if given.next().is_some() {
                    bail!("--distance: {from}-{to} is given twice");
                }
                let dist = format!("dist,src={from},dst={to},val={far}");
                args.extend(["-numa".to_owned(), dist]);
            }
        }
        Ok(args)
    }
}

#[cfg(test)]
mod tests {
    use super::{Distance, Memory, Smp, Topology};
    use crate::arch::{AARCH64, X86_64};

    fn topology(smp: &str, memory: &str, distances: &[&str]) -> Topology {
        let distances = distances.iter().map(|text| text.parse().unwrap());
        Topology {
            smp: smp.parse().unwrap(),
            numa: 1,
            memory: memory.parse().unwrap(),
            distances: distances.collect(),
        }
    }

    #[test]
    fn more_than_there_is_is_refused() {
        for (arch, most) in [(&X86_64, 255), (&AARCH64, 512)] {
            let all = |cpus: u32| {
                let topology = topology(&cpus.to_string(), "512M", &[]);
                topology.args(arch).map_err(|e| e.to_string())
            };
            assert!(all(most).is_ok());
            let error = all(most + 1).unwrap_err();
            assert!(error.contains(&format!("{most} CPUs at")), "{error}");
        }
        let info = "MemTotal:  4194304 kB\nMemFree: 1 kB\nSwapTotal: 1024 kB\n";
        let fits = |mem| topology("2", mem, &[]).fits(info);
        assert!(fits("4097M").is_ok());
        let error = fits("4098M").unwrap_err().to_string();
        assert!(error.contains("this host has 4097 MiB"), "{error}");
        assert!(topology("2", "4098M", &[]).fits("").is_ok());
    }

    #[test]
    fn what_is_spelled_out_becomes_sockets_and_dies() {
        let args = topology("2n4l8c2t", "1G", &[])
            .args(&X86_64)
            .unwrap()
            .join(" ");
        for part in [
            "-smp 16,sockets=2,dies=2,cores=2,threads=2 -m 1024M",
            "-object memory-backend-ram,id=m1,size=512M",
            "-numa node,nodeid=1,cpus=8-15,memdev=m1",
        ] {
            assert!(args.contains(part), "{part} in {args}");
        }
        assert!(!args.contains("dist"), "{args}");
        let flat = topology("4", "512M", &[]).args(&X86_64).unwrap().join(" ");
        assert_eq!(flat, "-smp 4 -m 512M");
    }

    #[test]
    fn nodes_have_their_memory_and_distances() {
        let given = ["0-2=31", "1-0=12"];
        let topology = topology("2n2l2c1t", "256M,128,64M", &given);
        let args = topology.args(&X86_64).unwrap().join(" ");
        for part in [
            "-m 448M",
            "id=m1,size=128M -numa node,nodeid=1,cpus=1-1,memdev=m1",
            "id=m2,size=64M -numa node,nodeid=2,memdev=m2",
            "-numa dist,src=0,dst=1,val=12 -numa dist,src=0,dst=2,val=31",
            "-numa dist,src=1,dst=2,val=20",
        ] {
            assert!(args.contains(part), "{part} in {args}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for (text, said) in [
            ("0", "valid are"),
            ("2n4l8c", "valid are"),
            ("2n4l8c2tx", "valid are"),
            ("2n0l8c2t", "valid are"),
            ("3n2l4c1t", "2 caches cannot be divided over the nodes, 3"),
            ("1n2l3c1t", "3 cores cannot be divided over the caches, 2"),
        ] {
            let error = text.parse::<Smp>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        for bad in ["0-0=20", "0-1=10", "0-1=255", "0=20", "a-b=20"] {
            let error = bad.parse::<Distance>().unwrap_err();
            assert!(error.contains("valid is"), "{bad}: {error}");
        }
        let error = "4194303G,4194303G".parse::<Memory>().unwrap_err();
        assert!(error.contains("more than any"), "{error}");
        let error = "64M,".parse::<Memory>().unwrap_err();
        assert!(error.contains("for each node"), "{error}");
        for (memory, distances, said) in [
            (
                "256M,256M,1M",
                &["0-3=20"][..],
                "no node 3; the machine has 3",
            ),
            ("512M", &["0-1=20", "1-0=21"], "0-1 is given twice"),
            ("511M", &[], "cannot be divided over 2"),
        ] {
            let wrong = topology("2n2l2c1t", memory, distances);
            let error = wrong.args(&X86_64).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let arm = &AARCH64;
        let smt = topology("1n1l2c2t", "512M", &[]).args(arm).unwrap();
        assert!(smt.contains(&"4,sockets=1,cores=2,threads=2".to_owned()));
        let two = topology("2n2l2c1t", "512M", &[]).args(arm);
        let said = two.unwrap_err().to_string();
        assert!(said.contains("2n2l2c1t: the machine of aarch64"), "{said}");
        let both = Topology {
            numa: 4,
            ..topology("2n2l2c1t", "512M", &[])
        };
        assert!(
            both.args(&X86_64)
                .unwrap_err()
                .to_string()
                .contains("differ")
        );
    }
}
