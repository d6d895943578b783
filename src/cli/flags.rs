//! The flags of `serve`, shared with `config check` and `config show`.
//!
//! One table makes the flags, their environment variables, the help text, and the
//! [`Overrides`] that they become. Values stay text here: the configuration reads them like
//! those of the file, and so refuses them in the same words.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{Override, Overrides};

/// One flag.
struct Flag {
    /// With the dashes, as errors name it.
    name: &'static str,
    environment: &'static str,
    value: &'static str,
    help: &'static str,
    field: fn(&mut Overrides) -> &mut Option<Override>,
}

const FLAGS: &[Flag] = &[
    Flag {
        name: "--config",
        environment: "KIDSTAMP_CONFIG",
        value: "FILE",
        help: "Read the configuration from this TOML file",
        field: |overrides| &mut overrides.config,
    },
    Flag {
        name: "--upstream",
        environment: "KIDSTAMP_UPSTREAM",
        value: "URL",
        help: "Where the IdP is reached: scheme://host[:port]",
        field: |overrides| &mut overrides.upstream,
    },
    Flag {
        name: "--external-url",
        environment: "KIDSTAMP_EXTERNAL_URL",
        value: "URL",
        help: "The origin that RPs and browsers use [default: the issuer's origin]",
        field: |overrides| &mut overrides.external_url,
    },
    Flag {
        name: "--issuer",
        environment: "KIDSTAMP_ISSUER",
        value: "URL",
        help: "The exact issuer that RPs expect [default: what discovery says]",
        field: |overrides| &mut overrides.issuer,
    },
    Flag {
        name: "--listen",
        environment: "KIDSTAMP_LISTEN",
        value: "ADDR",
        help: "Where clients are served; port 0 takes a free one [default: 127.0.0.1:8080]",
        field: |overrides| &mut overrides.listen,
    },
    Flag {
        name: "--admin",
        environment: "KIDSTAMP_ADMIN",
        value: "ADDR|off",
        help: "Where health and metrics are served [default: 127.0.0.1:9180]",
        field: |overrides| &mut overrides.admin,
    },
    Flag {
        name: "--tls-cert",
        environment: "KIDSTAMP_TLS_CERT",
        value: "FILE",
        help: "Serve clients over TLS with this certificate and chain, in PEM",
        field: |overrides| &mut overrides.tls_cert,
    },
    Flag {
        name: "--tls-key",
        environment: "KIDSTAMP_TLS_KEY",
        value: "FILE",
        help: "The private key of that certificate, in PEM",
        field: |overrides| &mut overrides.tls_key,
    },
    Flag {
        name: "--keys",
        environment: "KIDSTAMP_KEYS",
        value: "DIR",
        help: "The directory of the bridge keys",
        field: |overrides| &mut overrides.keys,
    },
    Flag {
        name: EPHEMERAL_KEY,
        environment: "KIDSTAMP_EPHEMERAL_KEY",
        value: "true|false",
        help: "Sign with a key made at start; for trying out",
        field: |overrides| &mut overrides.ephemeral_key,
    },
    Flag {
        name: "--log-format",
        environment: "KIDSTAMP_LOG_FORMAT",
        value: "text|json",
        help: "The form of the log [default: text]",
        field: |overrides| &mut overrides.log_format,
    },
    Flag {
        name: "--log-requests",
        environment: "KIDSTAMP_LOG_REQUESTS",
        value: "true|false",
        help: "Log one line a request [default: true]",
        field: |overrides| &mut overrides.log_requests,
    },
];

/// The one flag that may stand alone.
const EPHEMERAL_KEY: &str = "--ephemeral-key";

impl Flag {
    fn id(&self) -> &'static str {
        self.name.trim_start_matches('-')
    }

    fn argument(&self) -> Arg {
        let argument = Arg::new(self.id())
            .long(self.id())
            .env(self.environment)
            .hide_env_values(true)
            .value_name(self.value)
            .help(self.help);
        if self.name == EPHEMERAL_KEY {
            // `--ephemeral-key FILE` must not swallow the file.
            argument.num_args(0..=1).require_equals(true).default_missing_value("true")
        } else {
            argument
        }
    }

    fn given(&self, matches: &ArgMatches) -> Option<Override> {
        let text = matches.get_one::<String>(self.id())?;
        match matches.value_source(self.id()) {
            // Compose files set variables to nothing where they mean to unset them.
            Some(ValueSource::EnvVariable) if text.is_empty() => None,
            Some(ValueSource::EnvVariable) => {
                Some(Override::from_environment(self.environment, text))
            }
            _ => Some(Override::from_flag(self.name, text)),
        }
    }
}

/// The flags of `serve`, with their environment variables.
#[derive(Clone, Debug, Default)]
pub struct ServeFlags {
    /// What they say.
    pub overrides: Overrides,
}

impl FromArgMatches for ServeFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for flag in FLAGS {
            if let Some(given) = flag.given(matches) {
                *(flag.field)(&mut self.overrides) = Some(given);
            }
        }
        Ok(())
    }
}

impl Args for ServeFlags {
    fn augment_args(command: Command) -> Command {
        command.args(FLAGS.iter().map(Flag::argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Overrides, clap::Error> {
        let command = ServeFlags::augment_args(Command::new("serve"));
        let matches = command.try_get_matches_from([&["serve"], arguments].concat())?;
        Ok(ServeFlags::from_arg_matches(&matches)?.overrides)
    }

    #[test]
    fn each_flag_fills_a_field_of_its_own() {
        for flag in FLAGS {
            let argument = format!("{}=x", flag.name);
            let mut overrides = parse(&[&argument]).unwrap();
            let given = (flag.field)(&mut overrides).take();
            assert_eq!(given, Some(Override::from_flag(flag.name, "x")));
            assert_eq!(overrides, Overrides::default(), "{} fills one field", flag.name);
            let variable =
                flag.name.replacen("--", "KIDSTAMP_", 1).replace('-', "_").to_uppercase();
            assert_eq!(flag.environment, variable);
        }
    }

    #[test]
    fn the_ephemeral_key_may_stand_alone() {
        let given = |arguments| parse(arguments).unwrap().ephemeral_key;
        assert_eq!(given(&["--ephemeral-key"]), Some(Override::from_flag(EPHEMERAL_KEY, "true")));
        assert!(parse(&["--ephemeral-key", "false"]).is_err());
    }
}
