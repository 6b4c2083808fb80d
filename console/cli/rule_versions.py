"""`magbroker rules publish, versions, rollback = command_of(_publish), command_of(_versions), command_of(_rollback)
show, start, stop, explain = command_of(_show), command_of(_start), command_of(_stop), command_of(_explain)
