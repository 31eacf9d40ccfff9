//! Another program in the window of one that is over, or of one that waits for what nobody answers.

use std::path::Path;

use tmux_interface::{PipePane, RespawnPane, TmuxCommands};

use super::{
    desk::Desk,
    tmux::{Terminals, TmuxError, keep_command, launch_words},
};

impl Terminals {
    /// Starts `program launch` anew in an agent's pane. What it shows is kept where what it showed is.
    ///
    /// # Errors
    /// tmux does not answer, or says no.
    pub async fn reopen(
        &self,
        (desk, pane): (&Desk, &str),
        program: &Path,
        log_limit: u64,
    ) -> Result<(), TmuxError> {
        let mut window = RespawnPane::new().kill().target_pane(pane).build();
        launch_words(&mut window, desk, program)?;
        let pipe = PipePane::new()
            .open()
            .target_pane(pane)
            .shell_command(keep_command(desk, program, log_limit)?);
        let words = TmuxCommands::new().cmd(window).cmd(pipe.build());
        self.run(words, None).await.map(drop)
    }
}
