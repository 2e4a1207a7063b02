//! The plans that Postgres made, for a closer look.

use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use insight::App;
use insight::records::Desk;

use super::company::{Company, ENVIRONMENT};
use super::{Ask, Failure, Kind, answer, guard};

/// Prints the plans that Postgres made for a kind of member, as its module `auto_explain` writes them into the server's
/// log.
pub fn explained(
    app: &Arc<App>,
    company: &Company,
    kinds: &[Kind],
    of: &str,
) -> Result<(), Failure> {
    #[derive(QueryableByName)]
    struct Folder {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    for kind in kinds
        .iter()
        .filter(|kind| of.split(',').any(|label| kind.label == label))
    {
        let can = guard(app, company, kind.slot)?;
        for ask in Ask::ALL {
            let log = can.read(|tx| {
                let folder: Folder =
                    diesel::sql_query("SELECT current_setting('data_directory') AS name")
                        .get_result(tx.conn())?;
                tx.conn().batch_execute(
                    "LOAD 'auto_explain'; SET LOCAL auto_explain.log_analyze = on; \
                     SET LOCAL auto_explain.log_buffers = on; SET LOCAL auto_explain.log_timing = off; \
                     SET LOCAL auto_explain.log_min_duration = 0",
                )?;
                let desk = Desk::open(tx, ENVIRONMENT, kind.object)?;
                let file = std::path::Path::new(&folder.name).with_file_name("log");
                let read = || std::fs::read_to_string(&file).map_err(insight::Error::internal);
                let before = read()?.len();
                answer(tx, &desk, ask, &company.by_update[0])?;
                tx.conn().batch_execute("SET LOCAL auto_explain.log_min_duration = -1")?;
                Ok(read()?.split_off(before))
            })?;
            println!("== {}, {}\n{log}", kind.label, ask.label());
        }
    }
    Ok(())
}
